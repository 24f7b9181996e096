#!lua
-- append v1: appends entries to timelines; one that is there keeps its number, so that a repetition changes nothing.
-- KEYS: head of the brand.
-- ARGV: count (1 to 256), then for each: timeline, entry (26 letters each), time, body.
-- Returns: the numbers.
--include prelude
local entries, timelines, numbers = {}, {}, {}
for at = 1, number(1, 256) do
  entries[at] = { timeline = code(), id = code(), at = time(), body = take() }
  need(entries[at].timeline ~= '' and entries[at].id ~= '', 'a digest has its length')
end
finished()

call('ZCARD', P .. 'tz')
call('ZCARD', P .. 'ta')
local news = tonumber(call('HGET', HEAD, 'tn') or '0')
for at, e in ipairs(entries) do
  local t = timelines[e.timeline]
  if not t then
    local kept = call('HMGET', P .. 't:' .. e.timeline, 'n', 'last')
    t = { n = tonumber(kept[1] or '0'), last = kept[2] or '', ids = {}, fields = {} }
    timelines[e.timeline] = t
  end
  if t.ids[e.id] == nil then t.ids[e.id] = call('HGET', P .. 't:' .. e.timeline, 'i' .. e.id) end
  if not t.ids[e.id] then
    t.n = t.n + 1
    t.ids[e.id] = ('%d'):format(t.n)
    local to = #t.fields
    t.fields[to + 1], t.fields[to + 2] = 'i' .. e.id, t.ids[e.id]
    t.fields[to + 3], t.fields[to + 4] = 'e' .. t.ids[e.id], e.at .. e.id .. e.body
    if e.at > t.last then t.last = e.at end
  end
  numbers[at] = t.ids[e.id]
end

for which, t in pairs(timelines) do
  if #t.fields > 0 then
    news = news + 1
    call('HSET', P .. 't:' .. which, 'n', ('%d'):format(t.n), 'last', t.last, unpack(t.fields))
    call('ZADD', P .. 'tz', news, which)
    call('ZADD', P .. 'ta', micros(t.last), which)
  end
end
call('HSET', HEAD, 'tn', news)
return numbers
