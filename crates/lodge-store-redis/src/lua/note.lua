#!lua
-- note v1: compare-and-set of the note of a timeline.
-- KEYS: head of the brand.
-- ARGV: timeline, expected version, operation (32 hex), time, note.
-- Returns: the new version, or 0 where somebody else wrote meanwhile; asked again, the answer of the first.
--include prelude
local timeline, expected, operation, at, note = code(), number(0, 2 ^ 53), name(), time(), take()
need(timeline ~= '', 'a digest has its length')
finished()

local key = P .. 't:' .. timeline
local kept = call('HMGET', key, 'note', 'last')
call('ZCARD', P .. 'ta')
local version, by = 0, ''
if kept[1] then version, by = kept[1]:match('^(%d+),([^\n]*)\n') end
version = tonumber(version)
if by == operation then return version end
if version ~= expected then return 0 end
local last = kept[2] or ''
if at > last then last = at end
call('HSET', key, 'note', ('%d,%s\n'):format(version + 1, operation) .. note, 'last', last)
call('ZADD', P .. 'ta', micros(last), timeline)
return version + 1
