#!lua
-- accept v1: decides a batch of candidates of one brand, each seeing what those before it decided.
-- KEYS: head of the brand.
-- ARGV: epoch, commit lane, number of this batch, number of the batch before, count (1 to 256), then for each
--   envelope, founded conversation, dedupe (26 letters), source ('' or 26), references (10 digits each),
--   thread keys (26 letters and one more each: a always, p participant, t participant on topic, h hint), their labels
--   (separated by \31), registers (26 each), rebinds (26 each), traces (26 each), party, assurance 0..2, origin h/a/o,
--   introduced parties (separated by \n), topic ('' or 16), way back, inbox, record, accepted at, work, static,
--   timeline ('' or 26, then entry, time of the entry, body).
-- Returns: {'OK', answer, …}: 'N' or 'D' (known before) .. envelope .. receipt, and behind one more separator the
--   number of its entry, where it has one;
--   {'LOST', epoch, watermark} where this store is not the one, or not as far, as the caller last saw it;
--   {'TAKEN', number} where candidate `number` finds all its references taken. Nothing is written in the last two.
-- First everything is decided on what is stored, then everything is written: a command that could meet a key of another
-- type does so while nothing is written yet (MGET and MSET meet none).
--include prelude
local SEP, IDLE = '\31', 30 * 86400 * 1000000
local epoch, lane, batch, before = name(), name(), take(), take()
need(not batch:find('%D') and not before:find('%D'), 'a watermark is a number')
local candidates = {}
for at = 1, number(1, 256) do
  local c = { eid = id(), founds = id(), dedupe = code(), source = code(), refs = packed(10), keys = packed(27),
    labels = take(), registers = packed(26), rebinds = packed(26), traces = packed(26), party = take(), assurance = number(0, 2),
    origin = take(), brought = take(), topic = packed(16), back = take(), inbox = name(), record = take(), at = time(),
    work = id(), static = take(), timeline = code() }
  if c.timeline ~= '' then c.entry, c.said, c.body = code(), time(), take() end
  need(c.dedupe ~= '' and #c.topic <= 16, 'a digest has its length')
  need(#c.keys <= 64 * 27, 'at most 64 thread keys are looked up')
  need(#c.refs > 0 and not c.refs:find('%D'), 'a reference has digits')
  need(c.origin == 'h' or c.origin == 'a' or c.origin == 'o', 'an unknown origin')
  candidates[at] = c
end
finished()

local head = call('HMGET', HEAD, 'epoch', 'wm:' .. lane, 'wn', 'env', 'tn')
local mark = head[2] or '0'
if head[1] ~= epoch or (mark ~= before and mark ~= batch) then return { 'LOST', head[1] or '', mark } end
local order, envelopes = tonumber(head[3] or '0'), tonumber(head[4] or '0')
for _, key in ipairs({ 'z:triage', 'a:triage', 'ci' }) do call('ZCARD', P .. key) end
call('HLEN', P .. 'w')
call('SCARD', P .. 'ls')

-- What this batch knows: read in one go, or decided by a candidate before. `stored` names whole keys; false is absent.
local receipts, dedupes, sources, stored, convs, heads, wanted = {}, {}, {}, {}, {}, {}, {}
local timelines, news = {}, tonumber(head[5] or '0')
local function want(prefix, list, width)
  for from = 1, #list, width do wanted[#wanted + 1] = P .. prefix .. list:sub(from, from + 25) end
end
local present = {}
for at, c in ipairs(candidates) do
  wanted[#wanted + 1] = P .. 'r:' .. c.refs:sub(1, 10)
  want('k:', c.keys, 27)
  want('k:', c.registers, 26)
  want('k:', c.rebinds, 26)
  want('y:', c.traces, 26)
  present[at] = P .. 'e:' .. c.eid
end
for from = 1, #wanted, 2000 do
  local to = math.min(from + 1999, #wanted)
  for at, value in ipairs(call('MGET', unpack(wanted, from, to))) do stored[wanted[from + at - 1]] = value end
end
local any_envelope = call('EXISTS', unpack(present)) > 0

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
local function lookup(key)
  if stored[key] == nil then stored[key] = call('GET', key) end
  return stored[key]
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

-- The number of a candidate's entry: the one it has, else the next where `appends`.
local function entry_of(c, appends)
  if c.timeline == '' then return '' end
  local t = timelines[c.timeline]
  if not t then
    local kept = call('HMGET', P .. 't:' .. c.timeline, 'n', 'last')
    t = { n = tonumber(kept[1] or '0'), last = kept[2] or '', ids = {}, fields = {} }
    call('ZCARD', P .. 'tz')
    call('ZCARD', P .. 'ta')
    timelines[c.timeline] = t
  end
  if t.ids[c.entry] == nil then t.ids[c.entry] = call('HGET', P .. 't:' .. c.timeline, 'i' .. c.entry) end
  if not t.ids[c.entry] and appends then
    t.n = t.n + 1
    t.ids[c.entry] = ('%d'):format(t.n)
    local at = #t.fields
    t.fields[at + 1], t.fields[at + 2] = 'i' .. c.entry, t.ids[c.entry]
    t.fields[at + 3], t.fields[at + 4] = 'e' .. t.ids[c.entry], c.said .. c.entry .. c.body
    if c.said > t.last then t.last = c.said end
  end
  return t.ids[c.entry] and SEP .. t.ids[c.entry] or ''
end
-- The first receipt of a contact that is known: from its envelope, or from dedupe memory once that was purged.
local function receipt_of(c)
  local known = receipts[c.eid] or dedupes[c.dedupe]
  if known then return known end
  local size = any_envelope and tonumber(call('GETRANGE', P .. 'e:' .. c.eid, 0, 3))
  if size then return call('GETRANGE', P .. 'e:' .. c.eid, 4, 3 + size) end
  local kept = call('HGET', P .. 'd:' .. c.dedupe:sub(1, 3), c.dedupe:sub(4))
  if not kept then return nil end
  return table.concat({ kept:sub(21, 46), kept:sub(47, 56), kept:sub(57), 'N', '', '', '0', '', kept:sub(1, 20), '0', '' },
    SEP)
end
local function in_conflict(c)
  if c.source == '' then return false end
  return sources[c.source] or call('HEXISTS', P .. 's:' .. c.source:sub(1, 3), c.source:sub(4)) == 1
end
-- Rule 3: the conversation to append to and the flags that brings; else the one to suggest.
local function place(c)
  local suggested
  for at = 1, #c.keys / 27 do
    local entry = c.keys:sub(at * 27 - 26, at * 27)
    local to = lookup(P .. 'k:' .. entry:sub(1, 26))
    local conv = to and conversation(to)
    if conv then
      conv = survivor(conv)
      local condition, part = entry:sub(27), participation(conv, c.party)
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
    if not lookup(P .. 'r:' .. ref) then return ref end
  end
  return nil
end
-- Strings to be written, in order; what is decided later sees them.
local sets, count = {}, 0
local function set(key, value)
  stored[key] = value
  sets[count + 1], sets[count + 2], count = key, value, count + 2
end
local function register(c, conv)
  for from = 1, #c.registers, 26 do
    local key = c.registers:sub(from, from + 25)
    if not lookup(P .. 'k:' .. key) then
      set(P .. 'k:' .. key, conv.id)
      conv.items = conv.items .. 'k' .. key
    end
  end
  for from = 1, #c.rebinds, 26 do
    local key = c.rebinds:sub(from, from + 25)
    if lookup(P .. 'k:' .. key) ~= conv.id then
      set(P .. 'k:' .. key, conv.id)
      conv.items = conv.items .. 'k' .. key
    end
  end
  for from = 1, #c.traces, 26 do
    local key = c.traces:sub(from, from + 25)
    local named = lookup(P .. 'y:' .. key) or ''
    if #named < 26 * MOST_TRACES and not named:find(c.eid, 1, true) then
      set(P .. 'y:' .. key, named .. c.eid)
      conv.items = conv.items .. 't' .. key
    end
  end
end

-- Decide.
local answers, fresh, touched, waiting = { 'OK' }, {}, {}, {}
for number_of, c in ipairs(candidates) do
  local known = receipt_of(c)
  if known then
    answers[number_of + 1] = 'D' .. c.eid .. known .. entry_of(c, false)
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
      set(P .. 'r:' .. ref, c.founds)
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
        if c.back ~= '' then set(P .. 'b:' .. conv.id, c.back) end
        if c.assurance == 2 and c.brought ~= '' then
          for party in c.brought:gmatch('[^\n]+') do takes_part(conv, party, 1) end
        end
      end
    end
    conv.items = conv.items .. 'e' .. c.eid
    register(c, conv)
    local receipt = table.concat({ conv.id, conv.ref, ('%d'):format(conv.seq), founds and 'N' or 'A', suggested or '', follows,
      reopens, flags, c.at, tostring(matched), matched > 0 and label(c, matched) or '' }, SEP)
    set(P .. 'e:' .. c.eid, ('%04d'):format(#receipt) .. receipt .. c.record)
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
    answers[number_of + 1] = 'N' .. c.eid .. receipt .. entry_of(c, true)
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
  call('HSET', P .. 'd:' .. c.dedupe:sub(1, 3), c.dedupe:sub(4), c.at .. c.conv.id .. c.conv.ref .. ('%d'):format(c.seq))
  if c.source ~= '' then call('HSET', P .. 's:' .. c.source:sub(1, 3), c.source:sub(4), c.at) end
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
    set(P .. 'n:' .. which, conv.items)
  else
    call('APPEND', P .. 'n:' .. which, conv.items)
  end
  call('HSET', P .. 'c:' .. which, unpack(facts))
  add(lasts, micros(conv.last), which)
end
for from = 1, count, 2000 do call('MSET', unpack(sets, from, math.min(from + 1999, count))) end
call('HSET', P .. 'w', unpack(works))
call('ZADD', P .. 'a:triage', unpack(ages))
if #firsts > 0 then
  call('HSET', P .. 'h:triage', unpack(firsts))
  call('ZADD', P .. 'z:triage', unpack(offers))
end
call('ZADD', P .. 'ci', unpack(lasts))
call('SADD', P .. 'ls', 'triage')
local follow, said = {}, {}
for which, t in pairs(timelines) do
  if #t.fields > 0 then
    news = news + 1
    add(t.fields, 'n', ('%d'):format(t.n))
    add(t.fields, 'last', t.last)
    for from = 1, #t.fields, 2000 do
      call('HSET', P .. 't:' .. which, unpack(t.fields, from, math.min(from + 1999, #t.fields)))
    end
    add(follow, news, which)
    add(said, micros(t.last), which)
  end
end
if #follow > 0 then
  call('ZADD', P .. 'tz', unpack(follow))
  call('ZADD', P .. 'ta', unpack(said))
  call('HSET', HEAD, 'tn', news)
end
call('HSET', HEAD, 'wm:' .. lane, batch, 'wn', order, 'env', envelopes + #fresh)
return answers
