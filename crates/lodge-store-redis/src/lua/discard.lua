#!lua flags=allow-oom
-- discard v1: removes a dead letter for good.
-- KEYS: head of the brand.
-- ARGV: operation (32 hex), work.
-- Returns: 1, or 0 where there is none; asked again, the answer of the first.
--include prelude
--include work
local operation, which = name(), id()
finished()

if call('GET', P .. 'op:' .. operation) then return 1 end
local dead = read_dead(which)
if not dead then return 0 end
call('ZCARD', P .. 'dz')
call('HLEN', P .. 'dc')
call('SET', P .. 'op:' .. operation, '1', 'PX', 600000)
exhume(which, dead.conv)
if dead.kind == 'forward' then call('SREM', P .. 'u', subject_of(dead.static)) end
return 1
