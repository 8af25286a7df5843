// <past-call>: one call as it was. Everything said, and between it who did what; and what may be
// done with it.

import { get } from "/static/shared/api.js";
import { bubble } from "/static/shared/bubble.js";
import { el, setText } from "/static/shared/dom.js";
import { clockText, parseTime } from "/static/shared/time.js";
import { parseUrgency, setUrgency, urgencyBadge } from "/static/shared/urgency.js";
import { dateText } from "/static/history/result-row.js";
import "/static/history/keep-call.js";

/** What the actions of a call are called; `value` is the new value. */
const DEEDS = {
  takeover: () => "took the call over",
  handback: () => "handed the call back to Aurora",
  urgency: (value) => `set the urgency to ${value}`,
  end: (value) => `ended the call (${String(value ?? "").replaceAll("_", " ")})`,
  legal_hold: (value) => (value === "on" ? "put a legal hold on the call" : "lifted the legal hold"),
  deleted: () => "deleted the call",
  restored: () => "had the call back",
};

export class PastCall extends HTMLElement {
  callId = null;

  connectedCallback() {
    this.box = this.querySelector(".call");
    this.heading = this.querySelector("h2");
    this.facts = this.querySelector(".facts");
    this.keep = this.querySelector("keep-call");
    this.problem = this.querySelector(":scope > .call > .problem");
    this.list = this.querySelector(".messages");
    this.badge = urgencyBadge("NORMAL");
    this.told = el("span");
    this.facts.append(this.badge, this.told);
    this.querySelector(".back").addEventListener("click", () => {
      this.dispatchEvent(new CustomEvent("close-side", { bubbles: true }));
    });
    // What was done stands between the words.
    this.addEventListener("call-kept", () => this.#read());
  }

  /** Opens a call at one of its messages, or closes it with `null`. */
  async show(callId, messageId = null) {
    const isOther = callId !== this.callId;
    this.callId = callId;
    this.box.hidden = callId === null;
    this.querySelector(".choose").hidden = callId !== null;
    if (callId === null) return;
    if (isOther) {
      this.list.replaceChildren();
      setText(this.heading, "Reading…");
      this.facts.hidden = true;
      this.keep.hidden = true;
      await this.#read();
    }
    if (this.callId === callId) this.#mark(messageId);
  }

  async #read() {
    const { callId } = this;
    try {
      const call = await get(`/api/calls/${encodeURIComponent(callId)}/conversation`);
      if (this.callId !== callId) return;
      setText(this.problem, "");
      this.#draw(call);
    } catch (err) {
      if (this.callId !== callId) return;
      this.list.replaceChildren();
      this.facts.hidden = true;
      this.keep.hidden = true;
      setText(this.heading, "This call cannot be shown");
      setText(this.problem, err.message);
    }
  }

  #draw(call) {
    setText(this.heading, call.mobile_no || "Number withheld");
    setUrgency(this.badge, parseUrgency(call.urgency));
    setText(this.told, [
      call.status, call.medium, dateText(call.timestamp),
      call.ended_at ? `ended ${dateText(call.ended_at)}` : null,
      call.legal_hold ? "legal hold" : null,
    ].filter(Boolean).join(" · "));
    this.facts.hidden = false;
    this.keep.show(call);
    this.list.replaceChildren(...inOrder(call));
  }

  #mark(messageId) {
    for (const it of this.list.querySelectorAll("[data-found]")) it.removeAttribute("data-found");
    const found = messageId && this.list.querySelector(`[data-message="${CSS.escape(messageId)}"]`);
    if (!found) return;
    found.setAttribute("data-found", "");
    found.scrollIntoView({ block: "center" });
  }
}

/** Words and deeds by their times; a supervisor's words bear the name of who held the call. */
function inOrder({ messages, actions }) {
  const all = [
    ...(actions ?? []).map((it) => ({ at: parseTime(it.timestamp) ?? 0, deed: it })),
    ...(messages ?? []).map((it) => ({ at: parseTime(it.timestamp) ?? 0, message: it })),
  ].sort((a, b) => a.at - b.at);
  let holder = null;
  return all.map(({ deed, message }) => {
    if (deed) {
      if (deed.action === "takeover") holder = deed.value ?? deed.by;
      return deedNode(deed);
    }
    const node = bubble(message.role === "admin" ? { ...message, admin_id: holder } : message);
    node.setAttribute("data-message", message.message_id);
    return node;
  });
}

function deedNode({ timestamp, action, value, by }) {
  const at = parseTime(timestamp);
  return el("li", { class: "deed" },
    el("b", {}, by ?? "Aurora"), ` ${DEEDS[action]?.(value) ?? action} `,
    at === null ? null : el("time", { datetime: timestamp }, clockText(at)));
}

customElements.define("past-call", PastCall);
