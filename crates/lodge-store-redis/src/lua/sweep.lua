#!lua
-- sweep v1: removes a run of buckets of a generation that was let go.
-- KEYS: head of the brand.
-- ARGV: generation, first bucket, last bucket (at most 2,048 at a time).
-- Returns: how many dedupe entries went. The last bucket takes the generation off the list.
--include prelude
local gen, first, last = number(1, 2 ^ 53), number(0, 65535), number(0, 65535)
need(last >= first and last - first < 2048, 'too many buckets')
finished()

local drop = ',' .. (call('HGET', HEAD, 'drop') or '') .. ','
local entry = (',%d,'):format(gen)
local from, to = drop:find(entry, 1, true)
if not from then return 0 end
local gone = 0
for at = first, last do
  local dedupe = ('%sd:%d:%04x'):format(P, gen, at)
  gone = gone + call('HLEN', dedupe)
  call('UNLINK', dedupe, ('%ss:%d:%04x'):format(P, gen, at))
end
if last == 65535 then
  call('HSET', HEAD, 'drop', ((drop:sub(1, from - 1) .. ',' .. drop:sub(to + 1)):gsub('^,+', ''):gsub(',+$', '')))
end
return gone
