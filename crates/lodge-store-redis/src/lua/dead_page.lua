#!lua flags=no-writes
-- dead_page v1: dead letters in the order they were given up. Never writes.
-- KEYS: head of the brand.
-- ARGV: after (a work id or ''), how many (1 to 500).
-- Returns: id, record, id, record, ….
--include prelude
local after, most = optional_id(), number(1, 500)
finished()

local from = after ~= '' and call('ZSCORE', P .. 'dz', after)
local ids = call('ZRANGEBYSCORE', P .. 'dz', from and '(' .. from or '-inf', '+inf', 'LIMIT', 0, most)
if #ids == 0 then return {} end
local answer = {}
for at, raw in ipairs(call('HMGET', P .. 'dl', unpack(ids))) do
  if raw then
    answer[#answer + 1] = ids[at]
    answer[#answer + 1] = raw
  end
end
return answer
