// The sandbox's telephone: shows what the call says and offers what it waits for. What is pressed and said goes to the
// demo's carrier, which signs it and tells the gateway.
"use strict";

(() => {
  const phone = $("#phone");
  const { to, from, withheld, vouched, words, aloud } = phone.elements;
  const [state, clock, heard] = ["#call-state", "#call-time", "#heard"].map((id) => $(id));
  const [dialButton, hangup] = ["#call", "#hangup"].map((id) => $(id));
  // What the call is and waits for; null while there is none.
  let call = null;
  let then = null;
  let keys = "";
  let typed = null;
  let began = 0;
  let recordingSince = 0;
  let quiet = 0;
  let busy = false;

  document.addEventListener("about", ({ detail }) => {
    to.replaceChildren(...detail.numbers.map(({ number, label }) => el("option", { value: number }, `${label}, ${number}`)));
  });

  const pad = $(".keys");
  const letters = { 2: "abc", 3: "def", 4: "ghi", 5: "jkl", 6: "mno", 7: "pqrs", 8: "tuv", 9: "wxyz", 0: "+" };
  const spoken = { "*": "star", "#": "hash" };
  for (const key of "123456789*0#") {
    const button = el("button", { type: "button", "data-key": key, "aria-label": spoken[key] || key }, el("b", {}, key), el("span", { "aria-hidden": "true" }, letters[key] || ""));
    button.addEventListener("click", () => press(key));
    pad.append(button);
  }

  function line(kind, text) {
    const item = el("li", { class: kind }, el("span", { class: "who" }, { gateway: "hears: ", caller: "you: ", note: "", text: "text message: " }[kind]), text);
    heard.append(item);
    heard.scrollTop = heard.scrollHeight;
    return item;
  }

  // About as long as the words take to be spoken, in milliseconds.
  const length = (lines) => lines.reduce((sum, one) => sum + (one.say ? one.say.text.length * 60 : 3000), 0);

  function speak(lines) {
    if (!aloud.checked || !window.speechSynthesis) return;
    for (const { say } of lines) {
      if (!say) continue;
      const utterance = new SpeechSynthesisUtterance(say.text);
      if (say.language) utterance.lang = say.language;
      speechSynthesis.speak(utterance);
    }
  }
  aloud.addEventListener("change", () => { if (!aloud.checked) window.speechSynthesis?.cancel(); });

  /** Waits for silence as the carrier does: after the words, so many seconds. Who types is not silent. */
  function wait(milliseconds, what) {
    clearTimeout(quiet);
    quiet = setTimeout(() => { if (document.activeElement === words && words.value) wait(3000, what); else what(); }, milliseconds);
  }

  const saying = () => then?.do === "listen" && then.speech;

  function enter(scene) {
    for (const one of scene.lines) line("gateway", one.say ? one.say.text : `♪ ${one.play}`);
    speak(scene.lines);
    call = scene.then ? scene.call : null;
    then = scene.then;
    keys = "";
    recordingSince = then?.do === "record" ? Date.now() : 0;
    if (!call) return over();
    const said = length(scene.lines);
    if (then.do === "listen") wait(said + then.seconds * 1000, () => act("silence"));
    if (then.do === "record") wait(said + then.seconds * 1000, endMessage);
    if (then.do === "dial") line("note", `calling ${then.number}…`);
    show();
  }

  function over() {
    clearTimeout(quiet);
    if (then === null && began) line("note", "the call is over");
    began = 0;
    then = null;
    show();
  }

  function show() {
    const active = began > 0;
    phone.classList.toggle("active", active);
    $("#dialling").hidden = active;
    from.disabled = vouched.disabled = withheld.checked;
    dialButton.hidden = active;
    hangup.hidden = !active;
    const recording = then?.do === "record";
    $("#voice").hidden = !(recording || saying());
    $("#say").hidden = recording;
    $("#done").hidden = !recording;
    $("#ringing").hidden = then?.do !== "dial";
    $("#words-label").firstChild.textContent = recording ? "What you say after the tone (a tone stands for your voice) " : "Your words ";
    $(".screen").classList.toggle("recording", recording);
    state.textContent = !active ? "Ready to call" : recording ? "● Recording" : then?.do === "dial" ? "Ringing" : then ? "Listening to you" : "Connecting…";
    heard.scrollTop = heard.scrollHeight;
    tick();
  }

  function tick() {
    const since = recordingSince || began;
    const seconds = began ? Math.floor((Date.now() - since) / 1000) : 0;
    clock.textContent = began ? `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}` : "";
  }
  setInterval(tick, 500);

  /** One thing after the other: a call takes nothing while the gateway answers. */
  async function ask(path, body) {
    if (busy) return;
    busy = true;
    clearTimeout(quiet);
    try {
      enter(await send(path, body));
    } catch (error) {
      line("note", error.message);
      call = null;
      then = null;
      over();
    } finally {
      busy = false;
    }
  }

  const act = (what, value) => call && ask("/sandbox/phone/act", { call, act: value === undefined ? what : { [what]: value } });
  const message = () => ({ seconds: Math.max(1, Math.round((Date.now() - recordingSince) / 1000)), words: words.value });

  function endMessage() {
    line("caller", `message of ${message().seconds} s${words.value ? `: ${words.value}` : ""}`);
    const recorded = message();
    words.value = "";
    act("recorded", recorded);
  }

  function press(key) {
    if (!call || busy) return;
    if (then.do === "record") { if (key === then.finish || key === "#") endMessage(); return; }
    if (then.do !== "listen" || !then.keys) return;
    window.speechSynthesis?.cancel();
    if (keys) typed.append(key); else typed = line("caller", key);
    const finished = key === then.finish;
    if (!finished) keys += key;
    const pressed = keys;
    if (finished || keys.length >= then.keys) act(pressed ? "keys" : "silence", pressed || undefined);
    else wait(4000, () => act("keys", pressed));
  }

  phone.addEventListener("submit", (event) => {
    event.preventDefault();
    if (began || busy) return;
    heard.replaceChildren();
    began = Date.now();
    show();
    hangup.focus({ preventScroll: true });
    ask("/sandbox/phone/call", { to: to.value, from: withheld.checked ? null : from.value, vouched: vouched.checked });
  });
  // Where the button that was pressed gives way, the other one takes the focus.
  hangup.addEventListener("click", async () => {
    window.speechSynthesis?.cancel();
    while (busy) await new Promise((done) => setTimeout(done, 50));
    if (!call) return;
    line("caller", "hung up");
    const left = then.do === "record" ? message() : null;
    words.value = "";
    await act("hang_up", left);
    dialButton.focus({ preventScroll: true });
  });
  $("#say").addEventListener("click", () => {
    if (!words.value.trim() || busy) return;
    const said = words.value.trim();
    line("caller", said);
    words.value = "";
    act("speech", said);
  });
  $("#done").addEventListener("click", () => { if (!busy) endMessage(); });
  $("#silent").addEventListener("click", () => { line("note", "(silence)"); act("silence"); });
  $("#picked").addEventListener("click", () => act("operator", true));
  $("#unanswered").addEventListener("click", () => act("operator", false));
  withheld.addEventListener("change", show);
  phone.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea, select");
    if (event.target === words && event.key === "Enter" && !event.shiftKey && saying()) { event.preventDefault(); $("#say").click(); }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !/^[0-9*#]$/.test(event.key)) return;
    event.preventDefault();
    press(event.key);
  });
  // Who leaves the page hangs up.
  addEventListener("pagehide", () => {
    if (!call) return;
    fetch("/sandbox/phone/act", { method: "POST", keepalive: true, headers: { "content-type": "application/json" }, body: JSON.stringify({ call, act: { hang_up: null } }) });
  });

  shown.text_message = (what) => {
    const item = line("text", what.text);
    item.append(el("span", { class: "meta" }, ` to ${what.to}`));
    news("phone");
  };
  show();
})();
