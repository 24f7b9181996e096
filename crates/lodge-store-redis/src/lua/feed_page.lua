#!lua flags=no-writes
-- feed_page v1: finished events after a position. Never writes.
-- KEYS: head of the brand.
-- ARGV: position, how many (1 to 200).
-- Returns: {epoch, last position given out, event, position, body, event, position, body, …}.
--include prelude
local from, most = number(0, 2 ^ 53), number(1, 200)
finished()

local head = call('HMGET', HEAD, 'epoch', 'fpos')
local answer = { head[1] or '', head[2] or '0' }
local found = call('ZRANGEBYSCORE', P .. 'fz', ('(%d'):format(from), '+inf', 'WITHSCORES', 'LIMIT', 0, most)
if #found == 0 then return answer end
local events = {}
for at = 1, #found, 2 do events[#events + 1] = found[at]:sub(1, 26) end
for at, body in ipairs(call('HMGET', P .. 'fb', unpack(events))) do
  if body then
    answer[#answer + 1] = events[at]
    answer[#answer + 1] = found[at * 2]
    answer[#answer + 1] = body
  end
end
return answer
