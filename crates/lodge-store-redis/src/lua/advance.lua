#!lua
-- advance v1: moves the generations of dedupe memory on, where the older one holds nothing younger than `before`.
-- KEYS: head of the brand.
-- ARGV: before, now.
-- Returns: the generations whose buckets are to be swept, comma separated; `swept` takes them off again.
-- An entry lives at least until `before` has passed it, at most two spans; no TTL and no server clock is involved.
--include prelude
local before, now = time(), time()
finished()

local state = call('HMGET', HEAD, 'gen', 'started', 'newest', 'older', 'drop')
local gen, started = tonumber(state[1] or '1'), state[2] or now
local newest, older, drop = state[3] or '', state[4] or '', state[5] or ''
local function let_go(which) drop = drop == '' and tostring(which) or drop .. ',' .. which end
if older ~= '' and older < before then
  let_go(gen - 1)
  older = ''
end
if older == '' and newest ~= '' and newest < before then
  let_go(gen)
  gen, started, newest = gen + 1, now, ''
elseif older == '' and newest ~= '' and started < before then
  gen, started, older, newest = gen + 1, now, newest, ''
end
call('HSET', HEAD, 'gen', gen, 'started', started, 'newest', newest, 'older', older, 'drop', drop)
return drop
