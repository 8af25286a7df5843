// <call-transcript>: one conversation, message by message, always at its end unless the reader
// has scrolled up.
//
// # Promises
// - A message is drawn once, whatever is delivered twice.
// - Reading is not disturbed: away from the end, new messages raise a button instead of scrolling.
// - At most SHOWN messages are drawn; the earlier ones come on request.

import { bubble } from "/static/shared/bubble.js";
import { setText } from "/static/shared/dom.js";

const SHOWN = 300;
/** Counts as "at the end", in CSS pixels. */
const NEAR_PX = 48;

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

function keyOf(message, position) {
  return message.message_id ?? `#${position}`;
}

customElements.define("call-transcript", CallTranscript);
