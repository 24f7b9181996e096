#!lua
-- lease v1: takes, prolongs or gives back a lease.
-- KEYS: the hash of leases, one for the installation.
-- ARGV: 'T' take, name, holder, now, end | 'G' give back, name, holder, fence.
-- Returns: the fence, or '' where somebody else holds it; giving back answers '1' or ''.
--include prelude
local op, which, holder = take(), 'n:' .. take(), take()
local now, till, given
if op == 'T' then now, till = time(), time() else given = take() end
need(op == 'T' or op == 'G', 'an unknown operation')
finished()

local raw = call('HGET', HEAD, which)
local held_till, held_fence, held_by = nil, nil, nil
if raw then held_till, held_fence, held_by = raw:match('^(%d+),(%d+),(.*)$') end
if op == 'G' then
  if held_by ~= holder or held_fence ~= given then return '' end
  call('HDEL', HEAD, which)
  return '1'
end
local running = held_till and held_till > now
if running and held_by ~= holder then return '' end
local fence = running and held_fence or tostring(call('HINCRBY', HEAD, 'fence', 1))
call('HSET', HEAD, which, till .. ',' .. fence .. ',' .. holder)
return fence
