#!lua flags=no-writes
-- range v1: small values of an inbox by their names, in the order of their bytes.
-- KEYS: head of the brand.
-- ARGV: inbox, the first name, the name that is not reached any more, the most of them.
-- Returns: names and values in turn; or 0 where the names are not in order yet, as an earlier version left them.
--include prelude
local inbox, from, to, most = name(), take(), take(), number(1, 2 ^ 53)
finished()

local key, names = P .. 'st:' .. inbox, P .. 'si:' .. inbox
if call('HLEN', key) ~= call('ZCARD', names) then return 0 end
local found = call('ZRANGE', names, '[' .. from, '(' .. to, 'BYLEX', 'LIMIT', 0, most)
local out = {}
for i = 1, #found do
  local value = call('HGET', key, found[i])
  if value then
    out[#out + 1] = found[i]
    out[#out + 1] = value
  end
end
return out
