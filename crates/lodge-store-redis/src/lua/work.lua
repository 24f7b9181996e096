-- Shared by the scripts that touch lanes: how a work record is read, written, enqueued and finished.
-- A record in `w` is one line of fields, then `static` (subject, newline, payload), then the last error.
-- `z:<lane>` holds what may be claimed or is leased, by microseconds; its members start with the order of enqueuing.
-- `h:<lane>` names the head of each conversation, `q:<lane>:<conv>` those that wait behind it, `a:<lane>` all of it.
local LAYOUT = '^(%d+),(%d+),([01]),([^,]*),(%d*),(%d+),(%d+),([^,]+),([^,]*),(%d*),(%a+),(%d+),(%d+)\n()'

local function unpack_work(id, raw)
  local attempts, claims, marked, token, till, due, enqueued, lane, conv, seq, kind, order, length, from =
    raw:match(LAYOUT)
  if not from then error({ err = 'DAMAGED work ' .. id }) end
  return {
    id = id, attempts = tonumber(attempts), claims = tonumber(claims), marked = marked, token = token, till = till,
    due = due, enqueued = enqueued, lane = lane, conv = conv, seq = seq, kind = kind, order = order,
    static = raw:sub(from, from + length - 1), error = raw:sub(from + length),
  }
end
local function pack_work(w)
  return table.concat({ w.attempts, w.claims, w.marked, w.token, w.till, w.due, w.enqueued, w.lane, w.conv, w.seq,
    w.kind, w.order, #w.static }, ',') .. '\n' .. w.static .. w.error
end
local function read_work(id)
  local raw = call('HGET', P .. 'w', id)
  return raw and unpack_work(id, raw)
end
local function write_work(w) call('HSET', P .. 'w', w.id, pack_work(w)) end
local function new_work(id, lane, kind, conv, seq, due, now, static)
  return { id = id, attempts = 0, claims = 0, marked = '0', token = '', till = '', due = due, enqueued = now,
    lane = lane, conv = conv, seq = seq, kind = kind, static = static, error = '' }
end
local function subject_of(static) return static:match('^[^\n]*') end
local function member(w) return w.order .. w.id end
-- Since when it may be claimed: its due time, or the end of the lease it is under.
local function offer(w, at) call('ZADD', P .. 'z:' .. w.lane, micros(at), member(w)) end

local function enqueue(w)
  w.order = ('%014d'):format(call('HINCRBY', HEAD, 'wn', 1))
  write_work(w)
  call('ZADD', P .. 'a:' .. w.lane, micros(w.enqueued), w.id)
  call('SADD', P .. 'ls', w.lane)
  if w.kind == 'forward' then call('SADD', P .. 'u', subject_of(w.static)) end
  if w.conv ~= '' then
    if call('HGET', P .. 'h:' .. w.lane, w.conv) then
      call('RPUSH', P .. 'q:' .. w.lane .. ':' .. w.conv, w.id)
      return
    end
    call('HSET', P .. 'h:' .. w.lane, w.conv, w.id)
  end
  offer(w, w.due)
end
-- Takes the work out of its lane and lets the next of its conversation go on.
local function finish(w)
  call('HDEL', P .. 'w', w.id)
  call('ZREM', P .. 'a:' .. w.lane, w.id)
  call('ZREM', P .. 'z:' .. w.lane, member(w))
  if w.conv == '' then return end
  for _ = 1, 4096 do
    local following = call('LPOP', P .. 'q:' .. w.lane .. ':' .. w.conv)
    if not following then
      call('HDEL', P .. 'h:' .. w.lane, w.conv)
      return
    end
    local promoted = read_work(following)
    if promoted then
      call('HSET', P .. 'h:' .. w.lane, w.conv, following)
      offer(promoted, promoted.due)
      return
    end
  end
end
-- Keeps it among the dead letters, in the order of giving up.
local function bury(w, now, reason, last_error)
  local order = call('HINCRBY', HEAD, 'dn', 1)
  local line = table.concat({ order, w.attempts, now, w.lane, w.conv, w.seq, w.kind, w.due, #w.static, #reason }, ',')
  call('HSET', P .. 'dl', w.id, line .. '\n' .. w.static .. reason .. last_error)
  call('ZADD', P .. 'dz', order, w.id)
  if w.conv ~= '' then call('HINCRBY', P .. 'dc', w.conv, 1) end
end
local function exhume(id, conv)
  call('HDEL', P .. 'dl', id)
  call('ZREM', P .. 'dz', id)
  if conv ~= '' and call('HINCRBY', P .. 'dc', conv, -1) <= 0 then call('HDEL', P .. 'dc', conv) end
end
local function read_dead(id)
  local raw = call('HGET', P .. 'dl', id)
  if not raw then return nil end
  local lane, conv, seq, kind, due, length, from =
    raw:match('^%d+,%d+,%d+,([^,]+),([^,]*),(%d*),(%a+),(%d+),(%d+),%d+\n()')
  if not from then error({ err = 'DAMAGED dead letter ' .. id }) end
  return { lane = lane, conv = conv, seq = seq, kind = kind, due = due, static = raw:sub(from, from + length - 1) }
end
