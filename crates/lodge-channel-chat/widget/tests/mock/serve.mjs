// `npm run mock`: a page with the widget to play with, and an agent who answers. Attributes of the script tag come from the
// query: /?language=ar&color=tomato

import { Mock } from "./server.mjs";

const answer = (mock, session, text) => {
  setTimeout(() => mock.cast(session, { t: "typing", from: "agent", name: "Mara" }), 600);
  setTimeout(() => {
    mock.cast(session, { t: "read", seq: session.log.length });
    mock.say("agent", `You said: ${text}`, { name: "Mara" }, session);
  }, 2500);
};
const port = await new Mock({ onMessage: answer }).listen(Number(process.env.PORT ?? 8090));
console.log(`http://127.0.0.1:${port}/`);
