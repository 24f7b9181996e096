#!lua flags=allow-oom
-- unsave v1: removes a small value of an inbox.
-- KEYS: head of the brand.
-- ARGV: inbox, field.
-- Returns: 1.
--include prelude
local inbox, field = name(), take()
finished()

call('HDEL', P .. 'st:' .. inbox, field)
call('ZREM', P .. 'si:' .. inbox, field)
return 1
