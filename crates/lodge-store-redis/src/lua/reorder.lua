#!lua
-- reorder v1: puts the names of an inbox's small values in order anew.
-- KEYS: head of the brand.
-- ARGV: inbox.
-- Returns: how many there are.
--include prelude
local inbox = name()
finished()

local key, names = P .. 'st:' .. inbox, P .. 'si:' .. inbox
call('UNLINK', names)
local all = call('HGETALL', key)
for i = 1, #all, 2 do call('ZADD', names, 0, all[i]) end
return #all / 2
