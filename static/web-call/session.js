// One call of the browser phone: what the caller says goes out in order, one turn at a time.
//
// # Promises
// - Words are never lost: what could not be sent stays in the outbox, is shown as not sent, and
//   goes out on "send again", before anything said later.
// - A supervisor is heard: like a phone whose caller is silent, it asks again with blank speech,
//   every 3 s while a supervisor holds the call, less often otherwise. Only a supervisor's words
//   in such an answer are shown.
//
// No DOM here: it tells what happened through the `on...` functions it is given.

import { post } from "/static/shared/api.js";

const HELD_POLL_MS = 3_000;
const IDLE_POLL_MS = 6_000;

export class Session {
  #outbox = [];
  #sending = false;
  #polling = false;
  #answered = false;
  #timer = null;

  /**
   * @param {{number: string, language: string}} caller
   * @param {object} on
   * @param {(utterance) => void} on.fate an utterance's `fate` changed: waiting, sending, sent, failed
   * @param {(reply) => void} on.reply the server's answer to words
   * @param {(err) => void} on.problem
   */
  constructor({ number, language }, on) {
    this.number = number;
    this.language = language;
    this.on = on;
    this.callSid = `WEB${crypto.getRandomValues(new Uint32Array(4)).reduce((hex, n) => hex + n.toString(16).padStart(8, "0"), "")}`;
    this.answeredBy = null;
    this.open = true;
  }

  get hasUnsent() {
    return this.#outbox.length > 0;
  }

  /** Says something. `confidence` is given for recognised speech only. */
  say(text, confidence = null) {
    const utterance = { text, confidence, fate: "waiting", at: new Date().toISOString() };
    this.#outbox.push(utterance);
    this.on.fate(utterance);
    if (this.#outbox[0].fate === "failed") this.resend();
    else this.#sendNext();
  }

  /** Tries again what failed. */
  resend() {
    for (const it of this.#outbox) this.#setFate(it, "waiting");
    this.#sendNext();
  }

  async hangUp() {
    this.#close();
    // Never spoken: there is no call on the server yet.
    if (this.#answered) await post("/api/hang-up", { call_sid: this.callSid, ph_no: this.number });
  }

  /** The page goes away: hang up without waiting for an answer. */
  abandon() {
    if (!this.open || !this.#answered) return;
    this.#close();
    const body = JSON.stringify({ call_sid: this.callSid, ph_no: this.number });
    navigator.sendBeacon("/api/hang-up", new Blob([body], { type: "application/json" }));
  }

  #close() {
    this.open = false;
    clearTimeout(this.#timer);
  }

  async #sendNext() {
    const utterance = this.#outbox[0];
    if (this.#sending || !this.open || utterance?.fate !== "waiting") return;
    this.#sending = true;
    clearTimeout(this.#timer);
    this.#setFate(utterance, "sending");
    try {
      const reply = await this.#turn(utterance);
      this.#outbox.shift();
      this.#answered = true;
      this.answeredBy = reply.answered_by;
      this.#setFate(utterance, "sent");
      this.on.reply(reply);
    } catch (err) {
      // Everything behind it waits: words must not overtake each other.
      for (const it of this.#outbox) this.#setFate(it, "failed");
      this.on.problem(err);
    } finally {
      this.#sending = false;
      this.#sendNext();
      this.#pollLater();
    }
  }

  #turn({ text, confidence }) {
    return post("/api/process-speech", {
      speech: text,
      ph_no: this.number,
      call_sid: this.callSid,
      medium: confidence === null ? "Text" : "Voice",
      ...(confidence === null ? {} : { confidence }),
      ...(this.language ? { language: this.language } : {}),
    });
  }

  #setFate(utterance, fate) {
    if (utterance.fate === fate) return;
    utterance.fate = fate;
    this.on.fate(utterance);
  }

  #pollLater(afterMs = this.answeredBy === "supervisor" ? HELD_POLL_MS : IDLE_POLL_MS) {
    clearTimeout(this.#timer);
    if (this.open && this.#answered) this.#timer = setTimeout(() => this.#poll(), afterMs);
  }

  async #poll() {
    if (this.#sending || this.#polling || this.#outbox.length > 0) return this.#pollLater();
    this.#polling = true;
    let nextMs;
    try {
      const reply = await this.#turn({ text: "", confidence: null });
      const held = reply.answered_by === "supervisor";
      if (!this.open) return;
      if (held || this.answeredBy === "supervisor") {
        this.answeredBy = reply.answered_by;
        this.on.reply(held ? reply : { ...reply, message: "" });
      }
    } catch (err) {
      // Silence is no words lost: try again later, and say it only if someone is being missed.
      nextMs = (err.retryAfterS ?? 0) * 1000 || IDLE_POLL_MS;
      if (this.answeredBy === "supervisor" || err.status === 401) this.on.problem(err);
    } finally {
      this.#polling = false;
      this.#pollLater(nextMs);
    }
  }
}
