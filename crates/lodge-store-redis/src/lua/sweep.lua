#!lua flags=allow-oom
-- sweep v1: removes old entries from buckets of dedupe memory.
-- KEYS: head of the brand.
-- ARGV: before, then names of buckets (at most 64).
-- Returns: how many dedupe entries went. Entries start with when their contact was accepted; no TTL is involved.
--include prelude
local before = time()
need(#ARGV <= 65, 'too many buckets')

local function sweep(key)
  local gone, old = 0, {}
  local entries = call('HGETALL', key)
  for at = 2, #entries, 2 do
    if entries[at]:sub(1, 20) < before then old[#old + 1] = entries[at - 1] end
  end
  for from = 1, #old, 1000 do gone = gone + call('HDEL', key, unpack(old, from, math.min(from + 999, #old))) end
  return gone
end
local gone = 0
for at = 2, #ARGV do
  local bucket = name()
  gone = gone + sweep(P .. 'd:' .. bucket)
  sweep(P .. 's:' .. bucket)
end
return gone
