#!lua
-- accept v1: decides a batch of candidates of one brand, each seeing what those before it decided.
-- KEYS: head of the brand.
-- ARGV: epoch, commit lane, number of this batch, number of the batch before, count (1 to 256), then for each
--   envelope, founded conversation, dedupe (16 bytes), source ('' or 16), references (10 digits each),
--   thread keys (16 bytes and a letter each: a always, p participant, t participant on topic, h hint), their labels
--   (separated by \31), registers (16 each), traces (16 each), party, assurance 0..2, origin h/a/o,
--   introduced parties (separated by \n), topic ('' or 16), way back, inbox, record, accepted at, work, static.
-- Returns: {'OK', answer, …}: 'N' or 'D' (known before) .. envelope .. receipt;
--   {'LOST', epoch, watermark} where this store is not the one, or not as far, as the caller last saw it;
--   {'TAKEN', number} where candidate `number` finds all its references taken. Nothing is written in the last two.
-- First everything is decided on what is stored (and so every key's type seen), then everything is written.
--include prelude
local SEP, IDLE = '\31', 30 * 86400 * 1000000
local epoch, lane, batch, before = name(), name(), take(), take()
need(not batch:find('%D') and not before:find('%D'), 'a watermark is a number')
local candidates = {}
for at = 1, number(1, 256) do
  local c = { eid = id(), founds = id(), dedupe = packed(16), source = packed(16), refs = packed(10), keys = packed(17),
    labels = take(), registers = packed(16), traces = packed(16), party = take(), assurance = number(0, 2),
    origin = take(), brought = take(), topic = packed(16), back = take(), inbox = name(), record = take(), at = time(),
    work = id(), static = take() }
  need(#c.dedupe == 16 and #c.source <= 16 and #c.topic <= 16, 'a digest has 16 bytes')
  need(#c.keys <= 64 * 17, 'at most 64 thread keys are looked up')
  need(#c.refs > 0 and not c.refs:find('%D'), 'a reference has digits')
  need(c.origin == 'h' or c.origin == 'a' or c.origin == 'o', 'an unknown origin')
  candidates[at] = c
end
finished()

local head = call('HMGET', HEAD, 'epoch', 'wm:' .. lane, 'wn', 'env')
local mark = head[2] or '0'
if head[1] ~= epoch or (mark ~= before and mark ~= batch) then return { 'LOST', head[1] or '', mark } end
local order, envelopes = tonumber(head[3] or '0'), tonumber(head[4] or '0')
for _, key in ipairs({ 'z:triage', 'a:triage', 'ci' }) do call('ZCARD', P .. key) end
call('HLEN', P .. 'w')
call('SCARD', P .. 'ls')

-- What this batch knows: read before, or decided by a candidate before.
local receipts, dedupes, sources, bound, numbers, convs, heads, traced = {}, {}, {}, {}, {}, {}, {}, {}

local function conversation(which)
  local c = convs[which]
  if c == nil then
    local v = call('HMGET', P .. 'c:' .. which, 'ref', 'seq', 'status', 'reopen', 'topic', 'last', 'merged', 'people')
    c = v[1] and { id = which, ref = v[1], seq = tonumber(v[2]), status = v[3], reopen = v[4] or '', topic = v[5] or '',
      last = v[6], merged = v[7], people = v[8] or '\n' } or false
    if c then call('STRLEN', P .. 'n:' .. which) end
    convs[which] = c
  end
  return c
end
local function survivor(c)
  for _ = 1, 1024 do
    local into = c.merged and conversation(c.merged)
    if not into then return c end
    c = into
  end
  return c
end
local function bound_to(key)
  local to = bound[key]
  if to == nil then
    to = call('HGET', P .. 'k:' .. bucket5(key), key)
    bound[key] = to
  end
  return to
end
-- Parties are lines of handle, tabulator, assurance.
local function participation(c, party)
  local _, to = c.people:find('\n' .. party .. '\t', 1, true)
  return to and tonumber(c.people:sub(to + 1, to + 1)), to
end
local function takes_part(c, party, assurance)
  local now, to = participation(c, party)
  if not now then
    c.people = c.people .. party .. '\t' .. assurance .. '\n'
  elseif assurance > now then
    c.people = c.people:sub(1, to) .. assurance .. c.people:sub(to + 2)
  end
end
local function label(c, which)
  local at = 0
  for text in (c.labels .. SEP):gmatch('([^' .. SEP .. ']*)' .. SEP) do
    at = at + 1
    if at == which then return text end
  end
  return ''
end

-- The first receipt of a contact that is known: from its envelope, or from dedupe memory once that was purged.
local function receipt_of(c)
  local known = receipts[c.eid] or dedupes[c.dedupe]
  if known then return known end
  local size = tonumber(call('GETRANGE', P .. 'e:' .. c.eid, 0, 3))
  if size then return call('GETRANGE', P .. 'e:' .. c.eid, 4, 3 + size) end
  local kept = call('HGET', P .. 'd:' .. bucket4(c.dedupe), c.dedupe)
  if not kept then return nil end
  return table.concat({ kept:sub(21, 46), kept:sub(47, 56), kept:sub(57), 'N', '', '', '0', '', kept:sub(1, 20), '0', '' },
    SEP)
end
local function in_conflict(c)
  if c.source == '' then return false end
  return sources[c.source] or call('HEXISTS', P .. 's:' .. bucket4(c.source), c.source) == 1
end
-- Rule 3: the conversation to append to and the flags that brings; else the one to suggest.
local function place(c)
  local suggested
  for at = 1, #c.keys / 17 do
    local entry = c.keys:sub(at * 17 - 16, at * 17)
    local to = bound_to(entry:sub(1, 16))
    local conv = to and conversation(to)
    if conv then
      conv = survivor(conv)
      local condition, part = entry:sub(17), participation(conv, c.party)
      if condition == 'a' then return conv, nil, part and '' or 'n', at end
      local joins = condition ~= 'h' and c.assurance > 0 and part and part <= c.assurance
      local differs = c.topic ~= '' and conv.topic ~= '' and c.topic ~= conv.topic
      if joins and condition == 't' and differs then
        if micros(c.at) - micros(conv.last) <= IDLE then return conv, nil, 's', at end
        joins = false
      end
      if joins then return conv, nil, '', at end
      suggested = suggested or conv.ref
    end
  end
  return nil, suggested, '', 0
end
local function free_reference(c)
  for from = 1, #c.refs, 10 do
    local ref = c.refs:sub(from, from + 9)
    if numbers[ref] == nil then numbers[ref] = call('HGET', P .. 'r:' .. ref:sub(1, 5), ref) end
    if not numbers[ref] then return ref end
  end
  return nil
end
local function remember(c, conv, keys, of)
  for from = 1, #keys, 16 do
    local key = keys:sub(from, from + 15)
    if of == 'k' then
      if not bound_to(key) then
        bound[key] = conv.id
        conv.keys = (conv.keys or '') .. key
        conv.items = conv.items .. 'k' .. key
      end
    else
      if traced[key] == nil then traced[key] = call('HGET', P .. 'y:' .. bucket5(key), key) or '' end
      if #traced[key] < 26 * MOST_TRACES and not traced[key]:find(c.eid, 1, true) then
        traced[key] = traced[key] .. c.eid
        conv.traces = (conv.traces or '') .. key
        conv.items = conv.items .. 't' .. key
      end
    end
  end
end

-- Decide.
local answers, fresh, touched, waiting = { 'OK' }, {}, {}, {}
for number_of, c in ipairs(candidates) do
  local known = receipt_of(c)
  if known then
    answers[number_of + 1] = 'D' .. c.eid .. known
  else
    local flags = in_conflict(c) and 'c' or ''
    local conv, suggested, raised, matched = place(c)
    local follows, reopens, founds = '', '0', false
    if conv and conv.status == 'c' and c.origin == 'h' then
      if conv.reopen ~= '' and conv.reopen >= c.at then
        conv.status, conv.reopen, reopens = 'o', '', '1'
      else
        follows, conv, suggested = conv.ref, nil, nil
      end
    end
    if not conv then
      raised, founds = '', true
      local ref = free_reference(c)
      if not ref then return { 'TAKEN', number_of } end
      numbers[ref] = c.founds
      conv = { id = c.founds, ref = ref, seq = 0, status = 'o', reopen = '', topic = c.topic, last = c.at, people = '\n',
        inbox = c.inbox, founded = true }
      convs[c.founds] = conv
    end
    flags = flags .. raised
    conv.items = conv.items or ''
    conv.seq = conv.seq + 1
    if c.at > conv.last then conv.last = c.at end
    if raised ~= 'n' then
      takes_part(conv, c.party, c.assurance)
      if c.origin == 'h' and c.assurance > 0 then
        if c.back ~= '' then conv.back = c.back end
        if c.assurance == 2 and c.brought ~= '' then
          for party in c.brought:gmatch('[^\n]+') do takes_part(conv, party, 1) end
        end
      end
    end
    conv.items = conv.items .. 'e' .. c.eid
    remember(c, conv, c.registers, 'k')
    remember(c, conv, c.traces, 't')
    local receipt = table.concat({ conv.id, conv.ref, ('%d'):format(conv.seq), founds and 'N' or 'A', suggested or '', follows,
      reopens, flags, c.at, tostring(matched), label(c, matched) }, SEP)
    receipts[c.eid], dedupes[c.dedupe] = receipt, receipt
    if c.source ~= '' then sources[c.source] = true end
    c.receipt, c.conv, c.seq = receipt, conv, conv.seq
    fresh[#fresh + 1] = c
    touched[conv.id] = conv
    if heads[conv.id] == nil then heads[conv.id] = not founds and call('HGET', P .. 'h:triage', conv.id) end
    if heads[conv.id] then
      call('LLEN', P .. 'q:triage:' .. conv.id)
      waiting[c.eid] = true
    else
      heads[conv.id] = c.work
    end
    answers[number_of + 1] = 'N' .. c.eid .. receipt
  end
end

-- Write.
if #fresh == 0 then
  if mark ~= batch then call('HSET', HEAD, 'wm:' .. lane, batch) end
  return answers
end
local works, firsts, offers, ages, lasts = {}, {}, {}, {}, {}
local function add(list, a, b)
  local n = #list
  list[n + 1], list[n + 2] = a, b
end
for _, c in ipairs(fresh) do
  call('SET', P .. 'e:' .. c.eid, ('%04d'):format(#c.receipt) .. c.receipt .. c.record)
  call('HSET', P .. 'd:' .. bucket4(c.dedupe), c.dedupe, c.at .. c.conv.id .. c.conv.ref .. ('%d'):format(c.seq))
  if c.source ~= '' then call('HSET', P .. 's:' .. bucket4(c.source), c.source, c.at) end
  order = order + 1
  local place_in_order = ('%014d'):format(order)
  add(works, c.work, table.concat({ '0,0,0,,', c.at, c.at, 'triage', c.conv.id, ('%d'):format(c.seq), 'triage',
    place_in_order, #c.static }, ',') .. '\n' .. c.static)
  add(ages, micros(c.at), c.work)
  if waiting[c.eid] then
    call('RPUSH', P .. 'q:triage:' .. c.conv.id, c.work)
  else
    add(firsts, c.conv.id, c.work)
    add(offers, micros(c.at), place_in_order .. c.work)
  end
end
for which, conv in pairs(touched) do
  local facts = { 'ref', conv.ref, 'seq', ('%d'):format(conv.seq), 'status', conv.status, 'reopen', conv.reopen, 'last',
    conv.last, 'people', conv.people }
  if conv.founded then
    add(facts, 'inbox', conv.inbox)
    add(facts, 'topic', conv.topic)
    call('HSET', P .. 'r:' .. conv.ref:sub(1, 5), conv.ref, which)
  end
  if conv.back then add(facts, 'back', conv.back) end
  call('HSET', P .. 'c:' .. which, unpack(facts))
  call('APPEND', P .. 'n:' .. which, conv.items)
  local keys, traces = conv.keys or '', conv.traces or ''
  for from = 1, #keys, 16 do
    local key = keys:sub(from, from + 15)
    call('HSET', P .. 'k:' .. bucket5(key), key, which)
  end
  for from = 1, #traces, 16 do
    local key = traces:sub(from, from + 15)
    call('HSET', P .. 'y:' .. bucket5(key), key, traced[key])
  end
  add(lasts, micros(conv.last), which)
end
call('HSET', P .. 'w', unpack(works))
call('ZADD', P .. 'a:triage', unpack(ages))
if #firsts > 0 then
  call('HSET', P .. 'h:triage', unpack(firsts))
  call('ZADD', P .. 'z:triage', unpack(offers))
end
call('ZADD', P .. 'ci', unpack(lasts))
call('SADD', P .. 'ls', 'triage')
call('HSET', HEAD, 'wm:' .. lane, batch, 'wn', order, 'env', envelopes + #fresh)
return answers
