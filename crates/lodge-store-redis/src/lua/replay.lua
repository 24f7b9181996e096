#!lua
-- replay v1: puts a dead letter back into its lane.
-- KEYS: head of the brand.
-- ARGV: operation (32 hex), now, work.
-- Returns: the lane, or '' where there is none or it is in quarantine; asked again, the answer of the first.
--include prelude
--include work
local operation, now, which = name(), time(), id()
finished()

local answered = call('GET', P .. 'op:' .. operation)
if answered then return answered end
local dead = read_dead(which)
if not dead or dead.kind == 'quarantine' then return '' end
call('ZCARD', P .. 'dz')
call('HLEN', P .. 'dc')
call('HLEN', P .. 'w')
call('HLEN', P .. 'h:' .. dead.lane)
call('ZCARD', P .. 'z:' .. dead.lane)
call('ZCARD', P .. 'a:' .. dead.lane)
call('SET', P .. 'op:' .. operation, dead.lane, 'PX', 600000)
exhume(which, dead.conv)
enqueue(new_work(which, dead.lane, dead.kind, dead.conv, dead.seq, now, now, dead.static))
return dead.lane
