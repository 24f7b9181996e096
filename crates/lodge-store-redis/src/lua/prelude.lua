-- Shared by every script, put behind its first line. Never writes.
-- KEYS[1] is the head of one brand, `{lodge:<brand>}:head`; every other key is its prefix, a letter of ours (the
-- module `keys` lists them), and parts that are hexadecimal, base32 or names of the configuration.
-- No clock, no randomness: times come as ARGV, 20 digits of nanoseconds.
local HEAD = KEYS[1]
local P = HEAD:sub(1, -5)
local call = redis.call
local cursor = 0

local function fail(what) error({ err = 'BADARG ' .. what }) end
local function need(ok, what) if not ok then fail(what) end end

local function take()
  cursor = cursor + 1
  local value = ARGV[cursor]
  if value == nil then fail('too few arguments') end
  return value
end
local function finished() need(cursor == #ARGV, 'too many arguments') end
local function number(least, most)
  local value = tonumber(take())
  need(value and value >= least and value <= most and value % 1 == 0, 'a number is out of range')
  return value
end
local function time()
  local value = take()
  need(#value == 20 and not value:find('%D'), 'a time has 20 digits')
  return value
end
local function id()
  local value = take()
  need(#value == 26 and not value:find('[^a-z2-7]'), 'an id has 26 base32 letters')
  return value
end
local function optional_id()
  local value = take()
  need(value == '' or (#value == 26 and not value:find('[^a-z2-7]')), 'an id has 26 base32 letters')
  return value
end
local function name()
  local value = take()
  need(#value > 0 and #value <= 256 and not value:find('[^%w%-_%./@]'), 'a name has other characters')
  return value
end
-- A digest of 16 bytes as 26 letters of base32hex; '' where there is none.
local function code()
  local value = take()
  need((value == '' or #value == 26) and not value:find('[^0-9a-v]'), 'a digest has 26 letters')
  return value
end
-- Several digests, or other values of one width, one behind the other.
local function packed(width)
  local value = take()
  need(#value % width == 0, 'packed values have another width')
  return value
end

-- Microseconds fit a double exactly; nanoseconds do not.
local function micros(at) return tonumber(at:sub(1, 17)) end
-- How many envelopes one trace key names at most: a text that everybody uses finds the first of them.
local MOST_TRACES = 2000
