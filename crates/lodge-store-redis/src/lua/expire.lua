#!lua flags=allow-oom
-- expire v1: removes fields that are older than `before`, if they still are.
-- KEYS: head of the brand, or the hash of leases.
-- ARGV: 'g' guards | 'bu' budgets | '' leases, before, then up to 1,000 fields.
-- Returns: how many went. Guards start with when they were kept, windows and leases with when they end.
--include prelude
local which, before = take(), time()
need(which == 'g' or which == 'bu' or which == '', 'an unknown class')
need(#ARGV <= 1002, 'too many fields')
local key = which == '' and HEAD or P .. which
local gone = 0
for at = 3, #ARGV do
  local raw = call('HGET', key, ARGV[at])
  if raw and raw:sub(1, 20) < before then gone = gone + call('HDEL', key, ARGV[at]) end
end
return gone
