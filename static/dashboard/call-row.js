// One call on the board, as one row that is updated in place.

import { el, setAttr, setText } from "/static/shared/dom.js";
import { durationText } from "/static/shared/time.js";
import { setUrgency, urgencyBadge } from "/static/shared/urgency.js";
import { waitingMs } from "/static/dashboard/order.js";

const WHO = { user: "Caller", assistant: "Aurora", admin: "Supervisor" };
const LONGEST_WORDS = 240;

export class CallRow {
  constructor(callId) {
    this.badge = urgencyBadge("NORMAL");
    this.number = el("span", { class: "number" });
    this.spoken = el("span", { class: "visually-hidden" });
    this.open = el("button", { type: "button", class: "open", tabindex: "-1" }, this.number, this.spoken);
    this.status = el("span", { class: "status" });
    this.holder = el("span", { class: "holder" });
    this.total = el("span", { class: "total" });
    this.wait = el("span", { class: "wait" });
    this.who = el("b");
    this.words = el("span");
    this.mirror = el("span", { class: "mirror" });
    this.node = el("li", { class: "row-item", "data-call": callId },
      this.badge, this.open,
      el("span", { class: "state" }, this.status, this.holder),
      el("span", { class: "times" }, this.wait, this.total),
      el("span", { class: "last-words" }, this.who, this.words),
      this.mirror);
  }

  /** Draws everything that an event can change. */
  update(call, { chosen, mirrorState }) {
    setUrgency(this.badge, call.urgency);
    setText(this.number, call.mobile_no || "Number withheld");
    setText(this.spoken, `, ${call.urgency.toLowerCase()}, ${call.status}`);
    setText(this.status, call.status);
    setAttr(this.node, "data-status", call.status);
    setAttr(this.node, "data-urgency", call.urgency);
    setText(this.holder, holderText(call));
    setText(this.who, call.words ? `${WHO[call.words.role] ?? call.words.role}: ` : "");
    setText(this.words, call.words ? shorten(call.words.content) : "No words yet");
    setText(this.mirror, mirrorText(call, mirrorState));
    setAttr(this.mirror, "data-sync", mirrorState === "off" ? "off" : call.sync_status ?? "");
    setAttr(this.open, "aria-current", chosen ? "true" : null);
  }

  /** Draws the running times. */
  tick(call, nowMs) {
    const ended = call.status === "ENDED";
    const untilMs = ended ? call.endedMs ?? call.lastMs ?? nowMs : nowMs;
    setText(this.total, call.startMs === null ? "" : `call ${durationText(untilMs - call.startMs)}`);
    const wait = ended ? 0 : waitingMs(call, nowMs);
    setText(this.wait, ended ? call.reason ?? "ended"
      : wait > 0 ? `waits ${durationText(wait)}`
      : `last words ${durationText(nowMs - (call.lastMs ?? nowMs))} ago`);
    setAttr(this.wait, "data-waiting", wait > 0 ? "" : null);
  }
}

/** Who answers the caller at the moment. */
export function holderText(call) {
  if (call.status === "TAKEOVER") return call.admin_id ? `held by ${call.admin_id}` : "held by a supervisor";
  return call.status === "ENDED" ? "" : "Aurora answers";
}

/** The mirror's state of one call, in words. */
export function mirrorText(call, mirrorState) {
  if (mirrorState === "off") return "not mirrored";
  if (call.sync_status === "synced") return "mirrored";
  if (call.sync_status === "failed") return "mirror refused it";
  return call.sync_status ? "mirror pending" : "";
}

function shorten(text) {
  const words = String(text ?? "");
  return words.length > LONGEST_WORDS ? `${words.slice(0, LONGEST_WORDS)}…` : words;
}
