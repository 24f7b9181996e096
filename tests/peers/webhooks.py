"""A webhook service by FastAPI: checks the signature over the raw body, reads it, keeps each message in Redis, then says 200.

Usage: python webhooks.py PORT REDIS_PORT SECRET
"""

import hashlib
import hmac
import json
import sys
import time

import redis.asyncio
import uvicorn
from fastapi import FastAPI, Request, Response

PORT, REDIS, SECRET = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
SCRIPT = """
if not redis.call("SET", KEYS[1], ARGV[1], "NX", "EX", 604800) then
  return -1
end
local number = redis.call("INCR", KEYS[2])
redis.call("HSET", KEYS[3], "body", ARGV[2], "at", ARGV[3], "number", number)
redis.call("RPUSH", "outbox", ARGV[1])
return number"""

app = FastAPI()
store = redis.asyncio.Redis(host="127.0.0.1", port=REDIS)
keep = store.register_script(SCRIPT)


@app.post("/hooks/page")
async def page(request: Request) -> Response:
    raw = await request.body()
    own = "sha256=" + hmac.new(SECRET, raw, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(own, request.headers.get("x-hub-signature-256", "")):
        return Response(status_code=401)
    for entry in json.loads(raw).get("entry", []):
        for item in entry.get("messaging", []):
            mid, sender = item["message"]["mid"], item["sender"]["id"]
            keys = [f"seen:{mid}", f"conversation:{sender}", f"contact:{mid}"]
            await keep(keys=keys, args=[mid, json.dumps(item), int(time.time() * 1000)])
    return Response("EVENT_RECEIVED")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning", access_log=False)
