// The browser phone's page: dial, talk, see who answers and whether it is safe, hang up.

import { ApiError } from "/static/shared/api.js";
import { el, setText } from "/static/shared/dom.js";
import { parseUrgency, setUrgency, urgencyBadge } from "/static/shared/urgency.js";
import { bubble } from "/static/shared/bubble.js";
import { Session } from "/static/web-call/session.js";
import { Ear, canListen, canSpeak, hush, speak } from "/static/web-call/speech.js";

const at = (id) => document.getElementById(id);
const [dial, call, number, language] = ["dial", "call", "number", "language"].map(at);
const [log, state, problem, unsafe] = ["log", "state", "problem", "unsafe"].map(at);
const [speech, mic, voice, hangUp] = ["speech", "mic", "voice", "hang-up"].map(at);
const list = log.querySelector("ol");
const badge = urgencyBadge("NORMAL");
const WHO = {
  card: "Aurora answers (offline protocol).",
  model: "Aurora answers (language model).",
  fallback: "Aurora answers (fixed sentence).",
  supervisor: "A supervisor is on the line.",
};

new ResizeObserver(() => toEnd()).observe(log);

let session = null;
let drawn = new Map();

const ear = new Ear({
  interim: (text) => { speech.value = text; },
  words: (text, confidence) => { speech.value = ""; if (text) session?.say(text, confidence); },
  stopped: (reason) => { press(mic, false); warn(reason); speech.focus(); },
});

at("urgency").append(badge);
language.value = navigator.language ?? "";
mic.hidden = !canListen;
voice.hidden = !canSpeak;
setText(at("how"), canListen
  ? "Speak, or type and press Enter. Some browsers send speech to their maker to recognise it; typed words go only to this server."
  : "This browser does not recognise speech: type and press Enter.");

dial.addEventListener("submit", (event) => {
  event.preventDefault();
  const caller = { number: number.value.replace(/[ -]/g, ""), language: language.value.trim() };
  session = new Session(caller, { fate: drawUtterance, reply: drawReply, problem: drawProblem });
  drawn = new Map();
  list.replaceChildren();
  badge.hidden = true;
  unsafe.hidden = problem.hidden = true;
  dial.hidden = true;
  call.hidden = false;
  setText(state, "Connected. Say what has happened.");
  speech.focus();
});

at("speak").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = speech.value.trim();
  if (!text || !session) return;
  speech.value = "";
  session.say(text);
  speech.focus();
});

hangUp.addEventListener("click", async () => {
  const ending = session;
  if (!ending) return;
  stopSound();
  hangUp.disabled = true;
  let sorry = "";
  try {
    await ending.hangUp();
  } catch (err) {
    sorry = ` The server did not hear it: ${err.message}`;
  }
  hangUp.disabled = false;
  over(sorry);
});

function over(sorry = "") {
  session = null;
  call.hidden = true;
  dial.hidden = false;
  setText(dial.querySelector("p"), `The call is over.${sorry} You can start another one.`);
  dial.querySelector("button").focus();
}

mic.addEventListener("click", () => {
  const on = press(mic, mic.getAttribute("aria-pressed") !== "true");
  if (on) {
    hush();
    ear.start(language.value.trim());
  } else ear.stop();
});

voice.addEventListener("click", () => {
  if (!press(voice, voice.getAttribute("aria-pressed") !== "true")) hush();
});

window.addEventListener("beforeunload", (event) => { if (session?.hasUnsent) event.preventDefault(); });
window.addEventListener("pagehide", () => session?.abandon());
// Back from the browser's page cache: that call was hung up.
window.addEventListener("pageshow", (event) => event.persisted && session && over());
window.addEventListener("online", () => session?.hasUnsent && session.resend());

/** Draws the caller's own words and what became of them. */
function drawUtterance(utterance) {
  const { text, fate, at: timestamp } = utterance;
  let node = drawn.get(utterance);
  if (!node) {
    node = bubble({ role: "user", content: text, timestamp });
    node.querySelector("b").textContent = "You";
    node.append(el("div", { class: "fate" }));
    drawn.set(utterance, node);
    append(node);
  }
  node.dataset.fate = fate;
  const again = el("button", { type: "button", onclick: () => session?.resend() }, "Send again");
  node.querySelector(".fate").replaceChildren(...{
    waiting: ["Waiting to be sent"], sending: ["Sending…"], sent: [], failed: ["Not sent", again],
  }[fate]);
  toEnd();
  if (fate === "sending") setText(state, "Waiting for the answer…");
}

function drawReply({ message, urgency, answered_by: by, sources, durable }) {
  problem.hidden = true;
  unsafe.hidden = durable !== false;
  if (urgency) {
    setUrgency(badge, parseUrgency(urgency));
    badge.hidden = false;
  }
  setText(state, WHO[by] ?? "Aurora answers.");
  call.dataset.answeredBy = by;
  if (!message) return;
  const role = by === "supervisor" ? "admin" : "assistant";
  append(bubble({ role, content: message, timestamp: new Date().toISOString(), sources }));
  if (voice.getAttribute("aria-pressed") === "true") {
    ear.pause();
    speak(message, language.value.trim(), () => ear.resume());
  }
}

function drawProblem(err) {
  const status = err instanceof ApiError ? err.status : 0;
  setText(state, "The last words were not answered.");
  if (status === 401 || status === 403) {
    const login = el("a", { href: "/login?next=/web-call", target: "_blank", rel: "noopener" }, "Log in (opens a new tab)");
    return warn("This server takes test calls only from people who are logged in. ", login, ", then come back and press “Send again”.");
  }
  const wait = status === 429 && err.retryAfterS ? ` Try again in ${err.retryAfterS} s.` : "";
  const help = status === 0 && !navigator.onLine ? " This computer seems to be offline." : "";
  warn(`${err.message}${wait}${help} Your words are kept.`);
}

function warn(...parts) {
  problem.replaceChildren(...parts);
  problem.hidden = false;
}

function append(node) {
  list.append(node);
  toEnd();
}

function toEnd() {
  log.scrollTop = log.scrollHeight;
}

function press(button, on) {
  button.setAttribute("aria-pressed", String(on));
  return on;
}

function stopSound() {
  ear.stop();
  press(mic, false);
  hush();
}
