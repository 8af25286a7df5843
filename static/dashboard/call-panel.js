// <call-panel>: the chosen call. Its facts, its live transcript, and what a supervisor can do:
// take over, speak, hand back, change the urgency, end it.
//
// # Promises
// - Nothing is shown as done before the server says so: buttons wait, the stream draws the result.
// - Words typed are not lost: a draft belongs to its call and stays until the server has it.
// - Lowering an urgency and ending a call are asked back.

import { get, post } from "/static/shared/api.js";
import { announce } from "/static/shared/announce.js";
import { confirmed, nameOrAsk, supervisorName } from "/static/shared/dialogs.js";
import { setAttr, setText } from "/static/shared/dom.js";
import { LiveStream } from "/static/shared/live-stream.js";
import { clockText, durationText, durationWords, serverNow } from "/static/shared/time.js";
import { setUrgency, urgencyBadge, urgencyRank } from "/static/shared/urgency.js";
import { holderText, mirrorText } from "/static/dashboard/call-row.js";
import { waitingMs } from "/static/dashboard/order.js";
import "/static/dashboard/transcript.js";
import "/static/shared/call-notes.js";

export class CallPanel extends HTMLElement {
  board = null;
  callId = null;
  #call = null;
  #stream = null;
  #drafts = new Map();

  connectedCallback() {
    this.box = this.querySelector(".call");
    this.heading = this.querySelector("h2");
    this.facts = this.querySelector(".facts");
    this.note = this.querySelector(".live-note");
    this.problem = this.querySelector(".problem");
    this.transcript = this.querySelector("call-transcript");
    this.form = this.querySelector(".say");
    this.words = this.querySelector("#words");
    this.hint = this.querySelector("#say-hint");
    this.notes = this.querySelector("call-notes");
    this.notes.addEventListener("call-written", ({ detail }) => this.#heard(detail));
    this.badge = urgencyBadge("NORMAL");
    this.factsText = document.createElement("span");
    this.facts.append(this.badge, this.factsText);
    const on = (selector, act) => this.querySelector(selector).addEventListener("click", act);
    on(".back", () => this.dispatchEvent(new CustomEvent("choose", { detail: null, bubbles: true })));
    on(".takeover", (event) => this.#asSupervisor(event, "takeover", "You hold the call."));
    on(".handback", (event) => this.#asSupervisor(event, "handback", "Aurora answers again."));
    on(".end", (event) => this.#end(event));
    for (const button of this.querySelectorAll("[data-level]")) {
      button.addEventListener("click", () => this.#setUrgency(button));
    }
    this.form.addEventListener("submit", (event) => this.#say(event));
    this.words.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.form.requestSubmit();
      }
    });
  }

  /** Opens a call, or closes the panel with `null`. */
  choose(callId) {
    if (callId === this.callId) return;
    this.#stream?.close();
    this.#stream = null;
    if (this.callId) this.#drafts.set(this.callId, this.words.value);
    this.callId = callId;
    this.#call = null;
    this.words.value = this.#drafts.get(callId) ?? "";
    setText(this.problem, "");
    this.note.hidden = true;
    this.transcript.replace([]);
    this.refresh();
    if (callId && !this.#call) this.#findAlone(callId);
  }

  /** Draws what the board knows about the call, and opens its stream when it is first known. */
  refresh() {
    const call = this.callId ? this.board.call(this.callId) ?? this.#call : null;
    this.box.hidden = !call;
    this.querySelector(".choose").hidden = Boolean(call);
    if (!call) return;
    this.#call = call;
    if (!this.#stream) this.#follow(call);
    const held = call.status === "TAKEOVER";
    const ended = call.status === "ENDED";
    const mine = held && call.admin_id === supervisorName();
    const focused = this.box.contains(document.activeElement) ? document.activeElement : null;
    setText(this.heading, call.mobile_no || "Number withheld");
    setUrgency(this.badge, call.urgency);
    setAttr(this.box, "data-status", call.status);
    this.querySelector(".takeover").hidden = held || ended;
    this.querySelector(".handback").hidden = !held;
    this.querySelector(".end").hidden = ended;
    this.querySelector(".levels").hidden = ended;
    for (const it of this.querySelectorAll("[data-level]")) {
      setAttr(it, "aria-pressed", String(it.dataset.level === call.urgency));
    }
    this.notes.show(call);
    this.form.hidden = ended;
    this.form.querySelector("button").disabled = !mine;
    setText(this.hint, mine ? "The caller hears this. Enter sends, Shift+Enter makes a new line."
      : held ? `${call.admin_id ?? "Another supervisor"} speaks with the caller. Handed back, the call can be taken over.`
      : "Take over first; until then Aurora answers.");
    // The button that was pressed has gone: the keyboard goes on where the next step is.
    if (focused?.closest("[hidden]")) (mine ? this.words : this.heading).focus();
    this.tick();
  }

  tick() {
    const call = this.#call;
    if (!call || this.box.hidden) return;
    const now = serverNow();
    const wait = call.status === "ENDED" ? 0 : waitingMs(call, now);
    setText(this.factsText, [
      call.status, holderText(call), call.medium,
      call.startMs === null ? null : `since ${clockText(call.startMs)}`,
      call.status === "ENDED" ? call.reason
        : wait ? `waits ${durationText(wait)}` : `last words ${durationText(now - (call.lastMs ?? now))} ago`,
      mirrorText(call, this.board.sync?.state),
    ].filter(Boolean).join(" · "));
  }

  #follow(call) {
    const path = `/api/conversation/${encodeURIComponent(call.conversation_id)}`;
    const ofThis = (act) => (...args) => this.callId === call.call_id && act(...args);
    let first = true;
    this.#stream = new LiveStream(`${path}/stream`, {
      events: ["new_messages", "call_updated", "ended"],
      // An archived call still has a conversation, but nothing that streams.
      probe: `${path}/stream`,
      onEvent: ofThis((name, data) => {
        if (name === "initial") {
          this.transcript.replace(data.messages ?? [], { keepPlace: !first });
          first = false;
        }
        if (name === "call_updated") this.#heard(data);
        if (name === "new_messages") this.transcript.add(data.messages ?? []);
        if (name === "error") setText(this.problem, data.detail ?? data.error ?? "The transcript has a problem.");
        if (name === "ended" || data.status === "ENDED") this.#stream?.close();
      }),
      onStatus: ofThis((status) => this.#showStatus(status, call)),
    });
  }

  /** What was written about a call that the board does not hold any more. */
  #heard(changes) {
    const { callId } = this;
    if (changes.call_id !== callId || !this.#call || this.board.call(callId)) return;
    for (const name of ["admin_notes", "final_action"]) {
      if (changes[name] !== undefined) this.#call = { ...this.#call, [name]: changes[name] };
    }
    this.refresh();
  }

  #showStatus({ phase, stale, sinceMs }, call) {
    if (phase === "gone") {
      // Nothing more comes, and nothing is to be told every second.
      this.#stream.close();
      this.#showArchived(call);
    }
    this.note.hidden = !stale || phase === "gone" || this.#call?.status === "ENDED";
    if (stale) setText(this.note, `Transcript not live since ${clockText(sinceMs)} (${durationWords(Date.now() - sinceMs)} old)`);
    setAttr(this.box, "data-stale", this.note.hidden ? null : "");
  }

  /** An ended call has left the live part; its transcript is in the archive. */
  async #showArchived(call) {
    try {
      const found = await get(`/api/calls/${encodeURIComponent(call.call_id)}/conversation`);
      const list = found.messages ?? found.conversation?.messages ?? [];
      const messages = Array.isArray(list) ? list
        : Object.entries(list).map(([id, it]) => ({ message_id: id, ...it }));
      if (this.callId === call.call_id) this.transcript.replace(messages);
    } catch (err) {
      if (this.callId !== call.call_id) return;
      if (err.status === 404) this.transcript.replace([]);
      setText(this.problem, err.message);
    }
  }

  /** A link to a call that is not on the board: ask for it once. */
  async #findAlone(callId) {
    try {
      const { call } = await get(`/api/call/${encodeURIComponent(callId)}`);
      if (this.callId !== callId || this.#call) return;
      this.#call = { ...call, call_id: callId, startMs: Date.parse(call.timestamp), waitingSinceMs: null,
        lastMs: Date.parse(call.last_message_at ?? call.timestamp) };
      this.refresh();
    } catch {
      // Not known here (any more): the board will tell if it comes.
    }
  }

  async #say(event) {
    event.preventDefault();
    const button = this.form.querySelector("button");
    const content = this.words.value.trim();
    if (!content || button.disabled) return;
    const { callId } = this;
    const done = await this.#asSupervisor({ target: button }, "message", null, { content });
    if (!done) return;
    if (this.callId === callId && this.words.value.trim() === content) this.words.value = "";
    else if (this.callId !== callId) this.#drafts.delete(callId);
  }

  async #setUrgency(button) {
    const call = this.#call;
    const to = button.dataset.level;
    if (to === call.urgency) return;
    if (urgencyRank(to) > urgencyRank(call.urgency) && !(await confirmed({
      title: `Lower ${call.mobile_no} from ${call.urgency} to ${to}?`,
      text: "Only a person lowers an urgency. Your name is recorded with it.",
      yes: `Lower to ${to}`,
    }))) return;
    this.#asSupervisor({ target: button }, "urgency", `Urgency is ${to}.`, { urgency: to.toLowerCase() });
  }

  async #end(event) {
    const call = this.#call;
    const yes = await confirmed({
      title: `End the call of ${call.mobile_no}?`,
      text: "The caller is disconnected. They can call again.",
      yes: "End call",
    });
    if (yes) this.#asSupervisor(event, "end", "Call ended.");
  }

  async #asSupervisor(event, verb, told, body = {}) {
    const name = await nameOrAsk();
    return name !== "" && this.#act(event.target, verb, { ...body, admin_id: name }, told);
  }

  async #act(button, verb, body, told) {
    const { callId } = this;
    if (button.getAttribute("aria-busy") === "true") return false;
    button.setAttribute("aria-busy", "true");
    setText(this.problem, "");
    try {
      await post(`/api/call/${encodeURIComponent(callId)}/${verb}`, body);
      if (told) announce(told);
      return true;
    } catch (err) {
      if (this.callId === callId) setText(this.problem, `Not done: ${err.message}`);
      return false;
    } finally {
      button.removeAttribute("aria-busy");
      this.refresh();
    }
  }
}

customElements.define("call-panel", CallPanel);
