#!lua
-- claim v1: leases what is due in one lane.
-- KEYS: head of the brand.
-- ARGV: lane, how many (1 to 512), now, end of the lease, token (32 hex; each claim adds its number).
-- Returns: id, record, id, record, ….
--include prelude
--include work
local lane, most, now, till, token = name(), number(1, 512), time(), time(), name()
finished()

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
