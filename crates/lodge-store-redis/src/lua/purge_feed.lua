#!lua flags=allow-oom
-- purge_feed v1: removes old events whose forward is neither pending nor dead.
-- KEYS: head of the brand.
-- ARGV: position to start after, before.
-- Returns: {how many went, position to go on from or '' at the end}.
--include prelude
local from, before = number(0, 2 ^ 53), time()
finished()

local found = call('ZRANGEBYSCORE', P .. 'fz', ('(%d'):format(from), '+inf', 'WITHSCORES', 'LIMIT', 0, 200)
local gone = 0
for at = 1, #found, 2 do
  local event, when = found[at]:sub(1, 26), found[at]:sub(27)
  if when < before and call('SISMEMBER', P .. 'u', 'evt_' .. event) == 0 then
    call('ZREM', P .. 'fz', found[at])
    call('HDEL', P .. 'fb', event)
    gone = gone + 1
  end
end
return { gone, #found == 400 and found[400] or '' }
