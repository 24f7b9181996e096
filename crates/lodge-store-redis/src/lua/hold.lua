#!lua
-- hold v1: prolongs a claim, or marks that its far side may be reached from here on.
-- KEYS: head of the brand.
-- ARGV: work, token, end of the lease ('' marks instead).
-- Returns: 1, or 0 where the lease was lost.
--include prelude
--include work
local which, token, till = id(), take(), take()
need(till == '' or (#till == 20 and not till:find('%D')), 'a time has 20 digits')
finished()

local w = read_work(which)
if not w or w.token == '' or w.token ~= token then return 0 end
call('ZCARD', P .. 'z:' .. w.lane)
if till == '' then
  w.marked = '1'
else
  w.till = till
  offer(w, till)
end
write_work(w)
return 1
