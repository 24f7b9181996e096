#!lua
-- hint v1: leaves a hint for whoever follows a timeline right now; only the last ones are kept.
-- KEYS: head of the brand.
-- ARGV: timeline, hint.
-- Returns: how many hints were ever given.
--include prelude
local timeline, hint = code(), take()
need(timeline ~= '', 'a digest has its length')
finished()

local size = call('LLEN', P .. 'th')
local given = call('HINCRBY', HEAD, 'hn', 1)
call('RPUSH', P .. 'th', ('%d'):format(given) .. ',' .. timeline .. hint)
if size >= 256 then call('LPOP', P .. 'th') end
return given
