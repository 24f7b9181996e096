#!lua
-- apply v1: one step of effects, all or none.
-- KEYS: head of the brand.
-- ARGV: operation (32 hex), now, guard key ('' or 32 bytes), guard content (32 bytes), guard value, effects.
-- Returns: 'D' done, 'R' .. value repeated, 'C' conflict, 'S' stale.
-- An operation that is asked for again, because its answer was lost, gets the answer of the first.
--include prelude
--include work
--include effects
local operation, now = name(), time()
local guard, content, value = take(), take(), take()
need(guard == '' or (#guard == 32 and #content == 32), 'a guard has 32 bytes')
local effects = read_effects()
finished()

local answered = call('GET', P .. 'op:' .. operation)
if answered then return answered end
if guard ~= '' then
  local kept = call('HGET', P .. 'g', guard)
  if kept then return kept:sub(21, 52) == content and 'R' .. kept:sub(53) or 'C' end
end
if not fresh(effects) then return 'S' end
if guard ~= '' then call('HSET', P .. 'g', guard, now .. content .. value) end
do_effects(effects, now, '')
call('SET', P .. 'op:' .. operation, 'D', 'PX', 600000)
return 'D'
