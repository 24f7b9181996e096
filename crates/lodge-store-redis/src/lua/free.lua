#!lua
-- free v1: gives back what the gateway of this name had claimed in one lane when it ended; it works on nothing any more.
-- KEYS: head of the brand.
-- ARGV: lane, the gateway's mark (8 hex), now, how many to skip.
-- Returns: how many were looked at (500 at most), how many were given back.
--include prelude
--include work
local lane, mark, now, skip = name(), name(), time(), number(0, 9999999)
finished()

local later = call('ZRANGEBYSCORE', P .. 'z:' .. lane, micros(now), '+inf', 'LIMIT', skip, 500)
if #later == 0 then return { 0, 0 } end
local ids, held = {}, {}
for at, entry in ipairs(later) do ids[at] = entry:sub(15) end
for at, raw in ipairs(call('HMGET', P .. 'w', unpack(ids))) do
  local w = raw and unpack_work(ids[at], raw)
  if w and w.token:sub(1, #mark) == mark then held[#held + 1] = w end
end
for _, w in ipairs(held) do
  w.token, w.till = '', ''
  write_work(w)
  offer(w, w.due)
end
return { #later, #held }
