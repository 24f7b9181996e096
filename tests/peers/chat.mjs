// A chat server by `ws`: says welcome, keeps each message in Redis, then says accepted. Usage: node chat.mjs PORT REDIS_PORT

import { randomBytes } from "node:crypto";
import { WebSocketServer } from "ws";
import { keeper } from "./accept.mjs";

const [port, redis] = process.argv.slice(2);
const keep = keeper(redis);
const server = new WebSocketServer({ port: Number(port), host: "127.0.0.1", maxPayload: 65536, perMessageDeflate: false });

server.on("connection", (socket) => {
  const session = { token: randomBytes(24).toString("base64url"), heard: 0 };
  socket.on("message", async (data) => {
    const frame = JSON.parse(data.toString());
    if (frame.t === "hello") {
      socket.send(JSON.stringify({ t: "welcome", session: session.token, seq: 0 }));
      return;
    }
    if (frame.t !== "message" || typeof frame.id !== "string" || typeof frame.text !== "string") {
      socket.send(JSON.stringify({ t: "error", code: "bad_frame" }));
      return;
    }
    const number = await keep(`${session.token}:${frame.id}`, session.token, JSON.stringify(frame));
    session.heard += 1;
    socket.send(JSON.stringify({ t: "accepted", id: frame.id, seq: number }));
  });
});
