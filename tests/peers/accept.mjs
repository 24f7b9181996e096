// What every peer keeps of a contact, in one script, as Lodge does: each contact once, numbered in its conversation, kept whole.

import Redis from "ioredis";

const SCRIPT = `
if not redis.call("SET", KEYS[1], ARGV[1], "NX", "EX", 604800) then
  return -1
end
local number = redis.call("INCR", KEYS[2])
redis.call("HSET", KEYS[3], "body", ARGV[2], "at", ARGV[3], "number", number)
redis.call("RPUSH", "outbox", ARGV[1])
return number`;

/** Connects to the Redis on this port; the function it gives back keeps one contact. */
export function keeper(port) {
  const redis = new Redis({ port: Number(port), host: "127.0.0.1", enableAutoPipelining: true });
  redis.defineCommand("keep", { numberOfKeys: 3, lua: SCRIPT });
  return (id, conversation, body) =>
    redis.keep(`seen:${id}`, `conversation:${conversation}`, `contact:${id}`, id, body, Date.now());
}
