#!lua flags=no-writes
-- counts v1: how much there is. Never writes.
-- KEYS: head of the brand.
-- Returns: {envelopes, conversations, events, dead letters, lane, depth, microseconds of the oldest, lane, …}.
--include prelude
finished()
local answer = { call('HGET', HEAD, 'env') or '0', tostring(call('ZCARD', P .. 'ci')),
  tostring(call('ZCARD', P .. 'fz')), tostring(call('HLEN', P .. 'dl')) }
for _, lane in ipairs(call('SMEMBERS', P .. 'ls')) do
  local depth = call('ZCARD', P .. 'a:' .. lane)
  if depth > 0 then
    local oldest = call('ZRANGE', P .. 'a:' .. lane, 0, 0)[1]
    local raw = call('HGET', P .. 'w', oldest) or ''
    answer[#answer + 1] = lane
    answer[#answer + 1] = tostring(depth)
    answer[#answer + 1] = raw:match('^%d+,%d+,[01],[^,]*,%d*,%d+,(%d+),') or ''
  end
end
return answer
