-- Shared by apply and settle: effects are read and checked as a whole before the first of them writes.
local function truth(key, field) return call('HEXISTS', key, field) == 1 end
local function known(conv) return truth(P .. 'c:' .. conv, 'ref') end
-- The conversation that `conv` was merged into in the end; nil where it is unknown.
local function survivor(conv)
  if not known(conv) then return nil end
  for _ = 1, 1024 do
    local into = call('HGET', P .. 'c:' .. conv, 'merged')
    if not into or not known(into) then break end
    conv = into
  end
  return conv
end
-- Whether the merges of `from` lead to `to`; an endless chain counts as one that does.
local function leads(from, to)
  for _ = 1, 4096 do
    if from == to then return true end
    from = call('HGET', P .. 'c:' .. from, 'merged')
    if not from then return false end
  end
  return true
end

-- Who takes part in `from` takes part in `to` as well, each with the higher assurance.
local function bring_along(from, to)
  local people = call('HGET', P .. 'c:' .. from, 'people') or '\n'
  local there = call('HGET', P .. 'c:' .. to, 'people') or '\n'
  for party, assurance in people:gmatch('([^\n]+)\t(%d)\n') do
    local _, at = there:find('\n' .. party .. '\t', 1, true)
    if not at then
      there = there .. party .. '\t' .. assurance .. '\n'
    elseif tonumber(there:sub(at + 1, at + 1)) < tonumber(assurance) then
      there = there:sub(1, at) .. assurance .. there:sub(at + 2)
    end
  end
  call('HSET', P .. 'c:' .. to, 'people', there)
end

local READ = {
  E = function() -- enqueue
    return { id = id(), lane = name(), kind = name(), conv = optional_id(), seq = take(), due = time(), static = take() }
  end,
  R = function() return { event = id(), conv = id(), at = time(), work = id(), static = take() } end, -- record
  P = function() return { event = id(), conv = optional_id(), at = time(), stamp = time(), body = take() } end, -- publish
  D = function() return { envelope = id(), json = take() } end, -- decide
  L = function() return { conv = id(), keys = packed(26) } end, -- learn
  T = function() return { envelope = id(), keys = packed(26) } end, -- trace
  C = function() -- change; a value is absent as '', else behind a '+'
    return { conv = id(), status = take(), reopen = take(), ext = take(), queue = take(), handle = take(),
      into = optional_id() }
  end,
  O = function() return { id = id(), version = number(1, 2 ^ 53), conv = id(), json = take() } end, -- outbound
  J = function() return { subject = name(), field = take(), at = time() } end, -- journal
}
local function read_effects()
  local effects = {}
  for at = 1, number(0, 1000) do
    local op = take()
    local read = READ[op]
    need(read, 'an unknown effect')
    effects[at] = read()
    effects[at].op = op
  end
  return effects
end
-- Reads a key that is about to be written, so that one of another type stops the step before its first write. Once in
-- a run: from then on only we write it.
local looked = {}
local function look(command, key)
  if not looked[key] then call(command, key) end
  looked[key] = true
end
-- False where an outbound record was changed by somebody else meanwhile.
local function fresh(effects)
  local versions = {}
  for _, e in ipairs(effects) do
    if e.op == 'O' then
      local stored = versions[e.id]
      if not stored then
        local raw = call('GET', P .. 'p:' .. e.id)
        stored = raw and tonumber(raw:match('^%d+')) or 0
      end
      if e.version ~= stored + 1 then return false end
      versions[e.id] = e.version
      look('STRLEN', P .. 'n:' .. e.conv)
    elseif e.op == 'E' then
      look('HLEN', P .. 'w')
      look('ZCARD', P .. 'z:' .. e.lane)
      look('ZCARD', P .. 'a:' .. e.lane)
      look('HLEN', P .. 'h:' .. e.lane)
      look('LLEN', P .. 'q:' .. e.lane .. ':' .. e.conv)
    elseif e.op == 'R' then
      look('HLEN', P .. 'v:' .. e.event:sub(1, 3))
      look('HLEN', P .. 'c:' .. e.conv)
      look('STRLEN', P .. 'n:' .. e.conv)
    elseif e.op == 'P' then
      look('HLEN', P .. 'fb')
      look('ZCARD', P .. 'fz')
    elseif e.op == 'J' then
      look('HLEN', P .. 'j:' .. e.subject)
    elseif e.op == 'D' then
      look('STRLEN', P .. 'x:' .. e.envelope)
    end
  end
  return true
end

local DO = {}
function DO.E(e, now, done)
  if e.id == done or truth(P .. 'w', e.id) or truth(P .. 'dl', e.id) then return end
  enqueue(new_work(e.id, e.lane, e.kind, e.conv, e.seq, e.due, now, e.static))
end
function DO.R(e, now, done)
  local events = P .. 'v:' .. e.event:sub(1, 3)
  if truth(events, e.event) then return end
  local conv = survivor(e.conv)
  if not conv then return end
  local seq = call('HINCRBY', P .. 'c:' .. conv, 'seq', 1)
  call('HSET', events, e.event, seq)
  call('APPEND', P .. 'n:' .. conv, 'v' .. e.event)
  DO.E({ id = e.work, lane = 'triage', kind = 'announce', conv = conv, seq = tostring(seq), due = e.at,
    static = e.static }, now, done)
end
function DO.P(e)
  local entry = e.at .. e.stamp .. (e.conv == '' and (' '):rep(26) or e.conv) .. e.body
  if call('HSETNX', P .. 'fb', e.event, entry) == 0 then return end
  call('ZADD', P .. 'fz', call('HINCRBY', HEAD, 'fpos', 1), e.event .. e.at)
end
function DO.D(e)
  if call('EXISTS', P .. 'e:' .. e.envelope) == 1 then call('SET', P .. 'x:' .. e.envelope, e.json) end
end
function DO.L(e)
  if not known(e.conv) then return end
  for from = 1, #e.keys, 26 do
    local key = e.keys:sub(from, from + 25)
    if call('SET', P .. 'k:' .. key, e.conv, 'NX') then call('APPEND', P .. 'n:' .. e.conv, 'k' .. key) end
  end
end
function DO.T(e)
  local conv = call('GETRANGE', P .. 'e:' .. e.envelope, 4, 29)
  if conv == '' then return end
  for from = 1, #e.keys, 26 do
    local key = e.keys:sub(from, from + 25)
    local bound = call('GET', P .. 'y:' .. key) or ''
    if #bound < 26 * MOST_TRACES and not bound:find(e.envelope, 1, true) then
      call('SET', P .. 'y:' .. key, bound .. e.envelope)
      call('APPEND', P .. 'n:' .. conv, 't' .. key)
    end
  end
end
function DO.C(e)
  local key = P .. 'c:' .. e.conv
  if not known(e.conv) then return end
  if e.status ~= '' then
    call('HSET', key, 'status', e.status, 'reopen', e.status == 'c' and e.reopen or '')
  end
  if e.ext ~= '' then call('HSET', key, 'ext', e.ext:sub(2)) end
  if e.queue ~= '' then call('HSET', key, 'queue', e.queue:sub(2)) end
  if e.into ~= '' and known(e.into) and not leads(e.into, e.conv) then
    bring_along(e.conv, survivor(e.into))
    call('HSET', key, 'merged', e.into)
  end
  if e.handle ~= '' then
    local people = call('HGET', key, 'people') or '\n'
    if not people:find('\n' .. e.handle:sub(2) .. '\t', 1, true) then
      call('HSET', key, 'people', people .. e.handle:sub(2) .. '\t1\n')
    end
  end
end
function DO.O(e)
  if e.version == 1 then call('APPEND', P .. 'n:' .. e.conv, 'o' .. e.id) end
  call('SET', P .. 'p:' .. e.id, e.version .. '\n' .. e.json)
end
-- Lines of the journal, which are most of what a step writes: those that are new get the next numbers in their order;
-- one that is there already stays as it was said first.
local function note(lines)
  local subjects, by_subject, known, fresh_lines = {}, {}, {}, 0
  for _, e in ipairs(lines) do
    if not by_subject[e.subject] then
      by_subject[e.subject] = { fields = {}, add = {} }
      subjects[#subjects + 1] = e.subject
    end
    local fields = by_subject[e.subject].fields
    fields[#fields + 1] = e.field
  end
  for _, subject in ipairs(subjects) do
    local fields = by_subject[subject].fields
    for at, value in ipairs(call('HMGET', P .. 'j:' .. subject, unpack(fields))) do
      if value then known[subject .. '\n' .. fields[at]] = true end
    end
  end
  for _, e in ipairs(lines) do
    local line = e.subject .. '\n' .. e.field
    if not known[line] then
      known[line], fresh_lines = true, fresh_lines + 1
      local add = by_subject[e.subject].add
      local count = #add
      add[count + 1], add[count + 2] = e.field, { at = e.at, number = fresh_lines }
    end
  end
  if fresh_lines == 0 then return end
  local before = call('HINCRBY', HEAD, 'jn', fresh_lines) - fresh_lines
  for _, subject in ipairs(subjects) do
    local add = by_subject[subject].add
    for at = 2, #add, 2 do add[at] = add[at].at .. (before + add[at].number) end
    if #add > 0 then call('HSET', P .. 'j:' .. subject, unpack(add)) end
  end
end
local function do_effects(effects, now, done)
  local lines = {}
  for _, e in ipairs(effects) do
    if e.op == 'J' then lines[#lines + 1] = e else DO[e.op](e, now, done) end
  end
  if #lines > 0 then note(lines) end
end
