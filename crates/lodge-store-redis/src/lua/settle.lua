#!lua
-- settle v1: ends claims, each with its effects, each by itself.
-- KEYS: head of the brand.
-- ARGV: process (32 hex), batch (32 hex), now, count (1 to 128), then for each: work, token, and
--   'D' done | 'R' retry: due, counts 0/1, error | 'X' dead: reason, error; then effects.
-- Returns: one letter each: 'D' done, 'L' lease lost, 'S' stale.
-- A batch that is asked for again, because its answer was lost, gets the answer of the first: one batch of a process
-- is under way at a time, so its last answer is all there is to keep.
--include prelude
--include work
--include effects
local process, batch, now = name(), name(), time()
local claims = {}
for at = 1, number(1, 128) do
  local c = { id = id(), token = take(), op = take() }
  if c.op == 'R' then
    c.due, c.counts, c.error = time(), number(0, 1), take()
  elseif c.op == 'X' then
    c.reason, c.error = take(), take()
  else
    need(c.op == 'D', 'an unknown settlement')
  end
  c.effects = read_effects()
  claims[at] = c
end
finished()

local marker = P .. 'sr:' .. process
local answered = call('GET', marker)
if answered and answered:sub(1, #batch) == batch then return answered:sub(#batch + 1) end
call('ZCARD', P .. 'dz')
call('HLEN', P .. 'dl')
call('HLEN', P .. 'dc')
call('SCARD', P .. 'ls')
call('SCARD', P .. 'u')

local ids = {}
for at, c in ipairs(claims) do ids[at] = c.id end
local records, ended = call('HMGET', P .. 'w', unpack(ids)), {}
local function settle(c, raw)
  local w = raw and unpack_work(c.id, raw)
  if not w or w.token == '' or w.token ~= c.token or ended[c.id] then return 'L' end
  if not fresh(c.effects) then return 'S' end
  ended[c.id] = true
  if c.op == 'R' then
    w.attempts, w.token, w.till, w.marked = w.attempts + c.counts, '', '', '0'
    w.due, w.error = c.due, c.error
    write_work(w)
    offer(w, w.due)
  else
    finish(w)
    if c.op == 'X' then
      bury(w, now, c.reason, c.error)
    elseif w.kind == 'forward' then
      call('SREM', P .. 'u', subject_of(w.static))
    end
  end
  do_effects(c.effects, now, w.id)
  return 'D'
end
local answers = {}
for at, c in ipairs(claims) do answers[at] = settle(c, records[at]) end
local answer = table.concat(answers)
call('SET', marker, batch .. answer, 'EX', 86400)
return answer
