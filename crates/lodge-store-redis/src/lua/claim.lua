#!lua
-- claim v1: leases what is due in one lane.
-- KEYS: head of the brand.
-- ARGV: lane, how many (1 to 512), now, end of the lease, token (32 hex; each claim adds its number).
-- Returns: id, record, id, record, …; asked again with the same token, what the first call leased.
--include prelude
--include work
local lane, most, now, till, token = name(), number(1, 512), time(), time(), name()
finished()

-- Asked again because the answer was lost: the lease ends when it did then, and the token tells whose it is.
local leased_now = call('ZRANGEBYSCORE', P .. 'z:' .. lane, micros(till), micros(till), 'LIMIT', 0, 1000)
if #leased_now > 0 then
  local ids, again = {}, {}
  for at, entry in ipairs(leased_now) do ids[at] = entry:sub(15) end
  for at, raw in ipairs(call('HMGET', P .. 'w', unpack(ids))) do
    if raw and unpack_work(ids[at], raw).token:sub(1, #token) == token then
      again[#again + 1] = ids[at]
      again[#again + 1] = raw
    end
  end
  if #again > 0 then return again end
end

local due = call('ZRANGEBYSCORE', P .. 'z:' .. lane, '-inf', micros(now), 'LIMIT', 0, most)
if #due == 0 then return {} end
local ids = {}
for at, entry in ipairs(due) do ids[at] = entry:sub(15) end
local records = call('HMGET', P .. 'w', unpack(ids))
local count, written, leased = 0, {}, {}
for at, raw in ipairs(records) do
  if raw then
    local w = unpack_work(ids[at], raw)
    w.claims, w.token, w.till = w.claims + 1, token .. '-' .. at, till
    local text = pack_work(w)
    count = count + 2
    written[count - 1], written[count] = w.id, text
    leased[count - 1], leased[count] = micros(till), due[at]
  else
    call('ZREM', P .. 'z:' .. lane, due[at])
  end
end
if count > 0 then
  call('HSET', P .. 'w', unpack(written))
  call('ZADD', P .. 'z:' .. lane, unpack(leased))
end
return written
