#!lua
-- save v1: compare-and-set of a small value of an inbox.
-- KEYS: head of the brand.
-- ARGV: inbox, field, expected version, operation (32 hex), value.
-- Returns: the new version, or 0 where somebody else wrote meanwhile; asked again, the answer of the first.
--include prelude
local inbox, field, expected, operation, value = name(), take(), number(0, 2 ^ 53), name(), take()
finished()

local key = P .. 'st:' .. inbox
local raw = call('HGET', key, field)
local version, by = 0, ''
if raw then version, by = raw:match('^(%d+),([^\n]*)\n') end
version = tonumber(version)
if by == operation then return version end
if version ~= expected then return 0 end
call('HSET', key, field, ('%d,%s\n'):format(version + 1, operation) .. value)
if version == 0 then call('ZADD', P .. 'si:' .. inbox, 0, field) end
return version + 1
