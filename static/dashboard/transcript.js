// <call-transcript>: one conversation, message by message, always at its end unless the reader
// has scrolled up.
//
// # Promises
// - A message is drawn once, whatever is delivered twice.
// - Reading is not disturbed: away from the end, new messages raise a button instead of scrolling.
// - At most SHOWN messages are drawn; the earlier ones come on request.

import { el, setText } from "/static/shared/dom.js";
import { clockText, parseTime } from "/static/shared/time.js";

const SHOWN = 300;
/** Counts as "at the end", in CSS pixels. */
const NEAR_PX = 48;
const ROLES = { user: "Caller", assistant: "Aurora", admin: "Supervisor", system: "Note" };

export class CallTranscript extends HTMLElement {
  #messages = new Map();
  #unread = 0;
  #atEnd = true;

  connectedCallback() {
    this.scroller = this.querySelector(".scroll");
    this.list = this.querySelector(".messages");
    this.button = this.querySelector(".new-messages");
    this.earlier = this.querySelector(".earlier");
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.button.addEventListener("click", () => { this.#toEnd(); this.scroller.focus(); });
    this.earlier.addEventListener("click", () => this.#drawAll(this.#messages.size));
    new ResizeObserver(() => this.#atEnd && this.#toEnd()).observe(this.scroller);
  }

  /** Replaces everything: another call, or a fresh start of the stream. */
  replace(messages, { keepPlace = false } = {}) {
    this.#messages = new Map(messages.map((it, at) => [keyOf(it, at), it]));
    if (!keepPlace) this.#atEnd = true;
    // Not news: a screen reader should not read a whole conversation aloud.
    this.scroller.setAttribute("aria-busy", "true");
    this.#drawAll(SHOWN);
    requestAnimationFrame(() => this.scroller.setAttribute("aria-busy", "false"));
  }

  add(messages) {
    const fresh = messages.filter((it) => !this.#messages.has(keyOf(it, this.#messages.size)));
    for (const message of fresh) {
      this.#messages.set(keyOf(message, this.#messages.size), message);
      this.list.append(bubble(message));
    }
    if (fresh.length === 0) return;
    if (this.#atEnd) this.#toEnd();
    else this.#setUnread(this.#unread + fresh.length);
  }

  #drawAll(most) {
    const all = [...this.#messages.values()];
    const shown = all.slice(-most);
    this.list.replaceChildren(...shown.map(bubble));
    this.earlier.hidden = shown.length === all.length;
    setText(this.earlier, `Show ${all.length - shown.length} earlier messages`);
    if (this.#atEnd) this.#toEnd();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (this.#atEnd) this.#setUnread(0);
  }

  #toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.#atEnd = true;
    this.#setUnread(0);
  }

  #setUnread(count) {
    this.#unread = count;
    this.button.hidden = count === 0;
    setText(this.button, count === 1 ? "1 new message ↓" : `${count} new messages ↓`);
  }
}

/** One message, as text only. Also the browser phone's transcript is made of these. */
export function bubble({ role, content, timestamp, sources, admin_id: adminId }) {
  const at = parseTime(timestamp);
  const named = role === "admin" && adminId ? `${ROLES.admin} ${adminId}` : ROLES[role] ?? role;
  const from = Array.isArray(sources) ? sources.join(", ") : sources;
  return el("li", { class: "message", "data-role": role },
    el("p", { class: "from" },
      el("b", {}, named), " ",
      at === null ? null : el("time", { datetime: timestamp }, clockText(at))),
    el("p", { class: "text" }, String(content ?? "")),
    from ? el("p", { class: "sources" }, `Source: ${from}`) : null);
}

function keyOf(message, position) {
  return message.message_id ?? `#${position}`;
}

customElements.define("call-transcript", CallTranscript);
