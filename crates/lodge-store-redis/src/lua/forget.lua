#!lua flags=allow-oom
-- forget v1: removes a conversation with its keys, envelopes, journals and outbound records.
-- KEYS: head of the brand.
-- ARGV: conversation, before.
-- Returns: 1, or 0 where it is younger, or has work or dead letters.
-- The inventory `n:<conv>` lists what belongs to it: a letter and 26 letters of base32 each.
--include prelude
local conv, before = id(), time()
finished()

local state = call('HMGET', P .. 'c:' .. conv, 'last', 'ref')
if not state[1] then
  call('ZREM', P .. 'ci', conv)
  return 0
end
if state[1] >= before or call('HEXISTS', P .. 'dc', conv) == 1 then return 0 end
for _, lane in ipairs(call('SMEMBERS', P .. 'ls')) do
  if call('HEXISTS', P .. 'h:' .. lane, conv) == 1 then return 0 end
end
local inventory = call('GET', P .. 'n:' .. conv) or ''
local envelopes, mine, traces = 0, {}, {}
for at = 1, #inventory, 27 do
  local kind, item = inventory:sub(at, at), inventory:sub(at + 1, at + 26)
  if kind == 'e' then
    envelopes = envelopes + 1
    mine[item] = true
    call('UNLINK', P .. 'e:' .. item, P .. 'x:' .. item, P .. 'j:evt_' .. item)
  elseif kind == 'o' then
    call('UNLINK', P .. 'p:' .. item, P .. 'j:rpl_' .. item)
  elseif kind == 'v' then
    call('HDEL', P .. 'v:' .. item:sub(1, 3), item)
    call('UNLINK', P .. 'j:evt_' .. item)
  elseif kind == 'k' then
    if call('GET', P .. 'k:' .. item) == conv then call('UNLINK', P .. 'k:' .. item) end
  else
    traces[#traces + 1] = item
  end
end
for _, key in ipairs(traces) do
  local bound = call('GET', P .. 'y:' .. key) or ''
  local rest = {}
  for from = 1, #bound, 26 do
    local envelope = bound:sub(from, from + 25)
    if not mine[envelope] then rest[#rest + 1] = envelope end
  end
  if #rest == 0 then
    call('UNLINK', P .. 'y:' .. key)
  else
    call('SET', P .. 'y:' .. key, table.concat(rest))
  end
end
if call('GET', P .. 'r:' .. state[2]) == conv then call('UNLINK', P .. 'r:' .. state[2]) end
call('UNLINK', P .. 'c:' .. conv, P .. 'b:' .. conv, P .. 'n:' .. conv, P .. 'j:cnv_' .. conv)
call('ZREM', P .. 'ci', conv)
call('HINCRBY', HEAD, 'env', -envelopes)
return 1
