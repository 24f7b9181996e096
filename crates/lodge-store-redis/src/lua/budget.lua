#!lua
-- budget v1: takes the units asked for of every tally, or of none.
-- KEYS: head of the brand.
-- ARGV: operation (32 hex), now, count (1 to 64), then for each: key (32 bytes), end of a window that starts now, limit,
--   units asked for.
-- Returns: {0}, or {number of the tally that is used up, end of its window}; asked again, the answer of the first.
--include prelude
local operation, now = name(), time()
local tallies, fields = {}, {}
for at = 1, number(1, 64) do
  local key, till, limit, amount = take(), time(), number(0, 2 ^ 53), number(0, 2 ^ 53)
  need(#key == 32, 'a tally has 32 bytes')
  tallies[at], fields[at] = { key = key, till = till, limit = limit, amount = amount }, key
end
finished()

if call('GET', P .. 'op:' .. operation) then return { 0 } end
local windows = {}
for at, raw in ipairs(call('HMGET', P .. 'bu', unpack(fields))) do
  local running = raw and raw:sub(1, 20) > now
  if not windows[fields[at]] then
    windows[fields[at]] = { till = running and raw:sub(1, 20) or tallies[at].till,
      taken = running and tonumber(raw:sub(21)) or 0 }
  end
end
for at, tally in ipairs(tallies) do
  local window = windows[tally.key]
  local more = window.taken + tally.amount
  if more > tally.limit then return { at, window.till } end
  window.taken = more
end
local written = {}
for key, window in pairs(windows) do
  written[#written + 1] = key
  written[#written + 1] = window.till .. ('%d'):format(window.taken)
end
call('SET', P .. 'op:' .. operation, '1', 'PX', 600000)
call('HSET', P .. 'bu', unpack(written))
return { 0 }
