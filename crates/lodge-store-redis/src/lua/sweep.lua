#!lua flags=allow-oom
-- sweep v1: removes old entries from a run of buckets of dedupe memory.
-- KEYS: head of the brand.
-- ARGV: before, first bucket, last bucket (at most 64 at a time).
-- Returns: how many dedupe entries went. Entries start with when their contact was accepted; no TTL is involved.
--include prelude
local before, first, last = time(), number(0, 65535), number(0, 65535)
need(last >= first and last - first < 64, 'too many buckets')
finished()

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
for at = first, last do
  gone = gone + sweep(('%sd:%04x'):format(P, at))
  sweep(('%ss:%04x'):format(P, at))
end
return gone
