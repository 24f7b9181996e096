// A webhook service by fastify: checks the signature over the raw body, reads it, keeps each message in Redis, then says 200.
// Usage: node webhooks.mjs PORT REDIS_PORT SECRET

import { createHmac, timingSafeEqual } from "node:crypto";
import Fastify from "fastify";
import { keeper } from "./accept.mjs";

const [port, redis, secret] = process.argv.slice(2);
const keep = keeper(redis);
const app = Fastify({ logger: false, bodyLimit: 1 << 20 });

app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
app.post("/hooks/page", async (request, reply) => {
  const given = Buffer.from(String(request.headers["x-hub-signature-256"] ?? "").replace("sha256=", ""), "hex");
  const own = createHmac("sha256", secret).update(request.body).digest();
  if (given.length !== own.length || !timingSafeEqual(given, own)) {
    return reply.code(401).send();
  }
  const body = JSON.parse(request.body.toString());
  for (const entry of body.entry ?? []) {
    for (const item of entry.messaging ?? []) {
      await keep(item.message.mid, item.sender.id, JSON.stringify(item));
    }
  }
  return reply.code(200).send("EVENT_RECEIVED");
});
await app.listen({ port: Number(port), host: "127.0.0.1" });
