#!lua
-- bootstrap v1: the identity of a brand's records; writes one where there is none.
-- KEYS: head of the brand.
-- ARGV: epoch to be (32 hex), commit lane.
-- Returns: {epoch, watermark of the lane, whether this call wrote the epoch}.
--include prelude
local epoch, lane = name(), name()
finished()

local first = call('HSETNX', HEAD, 'epoch', epoch)
local state = call('HMGET', HEAD, 'epoch', 'wm:' .. lane)
return { state[1], state[2] or '0', first }
