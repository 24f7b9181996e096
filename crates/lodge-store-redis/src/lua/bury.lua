#!lua
-- bury v1: adds a dead letter that never was work.
-- KEYS: head of the brand.
-- ARGV: work, attempts, when, lane, conversation or '', sequence or '', kind, due, static, reason, error.
-- Returns: 1, or 0 where it is there already.
--include prelude
--include work
local w = { id = id(), attempts = number(0, 2 ^ 32) }
local now = time()
w.lane, w.conv, w.seq, w.kind, w.due, w.static = name(), optional_id(), take(), name(), time(), take()
local reason, last_error = take(), take()
finished()

if call('HEXISTS', P .. 'dl', w.id) == 1 then return 0 end
call('ZCARD', P .. 'dz')
call('HLEN', P .. 'dc')
bury(w, now, reason, last_error)
return 1
