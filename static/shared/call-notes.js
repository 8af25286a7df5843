// <call-notes>: what supervisors write about a call. Their notes, and what was done in the end.
//
// # Promises
// - Words typed are not lost: a draft belongs to its call and stays until the server has it.
// - What somebody else wrote meanwhile is shown beside the draft; nobody buries it unseen.
// - Nothing is shown as saved before the server says so. Then `call-written` is told.

import { post } from "/static/shared/api.js";
import { announce } from "/static/shared/announce.js";
import { nameOrAsk } from "/static/shared/dialogs.js";
import { el, setText } from "/static/shared/dom.js";

/** Bytes that the server takes; it tells of longer ones in its own words. */
const MOST = 4000;

const TEXTS = [
  { field: "admin_notes", verb: "notes", label: "Notes", rows: 3, saved: "Notes saved." },
  { field: "final_action", verb: "final-action", label: "Done in the end", rows: 2, saved: "Saved." },
];

export class CallNotes extends HTMLElement {
  #callId = null;
  #drafts = new Map();

  connectedCallback() {
    if (this.fields) return;
    this.summary = el("span", { class: "told" });
    this.fields = TEXTS.map((it) => new Text(it, this));
    this.box = el("details", {}, el("summary", {}, el("b", {}, "Notes"), " ", this.summary),
      ...this.fields.map((it) => it.node));
    this.append(this.box);
  }

  get callId() {
    return this.#callId;
  }

  /** Shows what the server says of a call; `null` for none. */
  show(call) {
    const callId = call?.call_id ?? null;
    if (callId !== this.#callId) {
      if (this.#callId) this.#drafts.set(this.#callId, this.fields.map((it) => it.draft()));
      this.#callId = callId;
      const drafts = this.#drafts.get(callId) ?? [];
      this.#drafts.delete(callId);
      this.fields.forEach((it, at) => it.begin(drafts[at] ?? null));
      this.box.open = drafts.some(Boolean);
    }
    if (!call) return;
    for (const it of this.fields) it.hear(call[it.about.field] ?? "");
    const first = this.fields.map((it) => it.now).find(Boolean);
    setText(this.summary, first ?? "none yet");
    this.summary.toggleAttribute("data-none", !first);
  }

  /** Whether something is typed that the server does not have. */
  get isDirty() {
    return this.fields.some((it) => it.isDirty);
  }
}

/** One of the texts. */
class Text {
  /** What the server said last, and what the draft began with. */
  now = "";
  base = "";
  #isSent = false;

  constructor(about, owner) {
    this.about = about;
    this.owner = owner;
    const id = `write-${about.verb}`;
    this.area = el("textarea", { id, rows: about.rows, maxlength: MOST, "aria-describedby": `${id}-told` });
    this.save = el("button", { type: "submit", disabled: true }, "Save");
    this.other = el("p", { class: "other" });
    this.take = el("button", { type: "button", class: "quiet", onclick: () => this.#take() }, "Take theirs");
    this.meanwhile = el("div", { class: "meanwhile banner", role: "status", hidden: true }, this.other, this.take);
    this.told = el("p", { class: "problem", id: `${id}-told`, role: "alert" });
    this.node = el("form", { onsubmit: (event) => this.#send(event) },
      el("label", { for: id }, about.label),
      el("div", { class: "row-of-two" }, this.area, this.save),
      this.meanwhile, this.told);
    this.area.addEventListener("input", () => this.#draw());
  }

  get isDirty() {
    return normal(this.area.value) !== this.base;
  }

  draft() {
    return this.isDirty ? { text: this.area.value, base: this.base } : null;
  }

  /** Another call: its draft if there is one. */
  begin(draft) {
    this.base = this.now = draft?.base ?? "";
    this.area.value = draft?.text ?? "";
    this.#isSent = false;
    setText(this.told, "");
    this.#draw();
  }

  /** The server's word. A draft stays, and what it would bury is shown. */
  hear(text) {
    this.now = text;
    const wasSent = this.#isSent && text !== this.base;
    if (wasSent || !this.isDirty) {
      this.base = text;
      this.#isSent = false;
      if (normal(this.area.value) !== text) this.area.value = text;
    }
    this.#draw();
  }

  #draw() {
    this.save.disabled = !this.isDirty;
    const differs = this.isDirty && this.now !== this.base && !this.#isSent;
    this.meanwhile.hidden = !differs;
    if (differs) {
      setText(this.other, this.now
        ? `Somebody has changed this meanwhile. Saving replaces: “${this.now}”`
        : "Somebody has taken this away meanwhile. Saving brings yours.");
    }
  }

  #take() {
    this.base = this.now;
    this.area.value = this.now;
    this.#draw();
    this.area.focus();
  }

  async #send(event) {
    event.preventDefault();
    const { callId } = this.owner;
    const text = normal(this.area.value);
    if (!this.isDirty || this.save.getAttribute("aria-busy") === "true") return;
    const name = await nameOrAsk();
    if (name === "") return;
    this.save.setAttribute("aria-busy", "true");
    setText(this.told, "");
    try {
      await post(`/api/call/${encodeURIComponent(callId)}/${this.about.verb}`,
        { admin_id: name, [this.about.field]: text });
      announce(this.about.saved);
      if (this.owner.callId === callId) {
        this.#isSent = true;
        // The button is disabled now, and would lose the keyboard.
        if (document.activeElement === this.save) this.area.focus();
      }
      const detail = { call_id: callId, [this.about.field]: text };
      this.owner.dispatchEvent(new CustomEvent("call-written", { detail, bubbles: true }));
    } catch (err) {
      if (this.owner.callId === callId) setText(this.told, `Not saved: ${err.message}`);
    } finally {
      this.save.removeAttribute("aria-busy");
    }
  }
}

/** As the server keeps it. */
function normal(text) {
  return text.trim().split(/\r\n|\r|\n/).map((it) => it.trim()).join("\n");
}

customElements.define("call-notes", CallNotes);
