#!lua flags=allow-oom
-- forget_timeline v1: removes a timeline with its entries and its note.
-- KEYS: head of the brand.
-- ARGV: timeline, before.
-- Returns: 1, or 0 where something was said or noted since.
--include prelude
local timeline, before = code(), time()
need(timeline ~= '', 'a digest has its length')
finished()

local last = call('HGET', P .. 't:' .. timeline, 'last')
if last and last >= before then return 0 end
call('UNLINK', P .. 't:' .. timeline)
call('ZREM', P .. 'tz', timeline)
call('ZREM', P .. 'ta', timeline)
return 1
