// <erase-caller>: the question before all calls of a number are erased for good. It says what goes
// and what does not, and wants the number typed.
//
// # Promises
// - Nothing is asked of the server before the number was typed as it stands there.
// - When no answer came, it is not said that nothing happened.

import { get, post } from "/static/shared/api.js";
import { nameOrAsk } from "/static/shared/dialogs.js";
import { el, setText } from "/static/shared/dom.js";

/** The server waits 10 s for the archive and 30 s for the erasure, then says that it goes on. */
const TIMEOUT_MS = 60_000;
const COUNTED = 200;

export class EraseCaller extends HTMLElement {
  #caller = "";
  #name = "";

  connectedCallback() {
    this.dialog = this.querySelector("dialog");
    this.form = this.querySelector("form");
    this.typed = this.querySelector("input");
    this.known = this.querySelector(".known");
    this.problem = this.querySelector(".problem");
    this.button = this.querySelector(".danger");
    this.cancel = this.querySelector(".cancel");
    this.cancel.addEventListener("click", () => this.dialog.close());
    // While it is under way, its outcome is waited for.
    this.dialog.addEventListener("cancel", (event) => this.#isBusy() && event.preventDefault());
    this.form.addEventListener("submit", (event) => this.#submit(event));
  }

  async ask(caller) {
    this.#name = await nameOrAsk();
    if (this.#name === "") return;
    this.#caller = caller;
    for (const it of this.querySelectorAll(".number")) setText(it, caller);
    this.querySelector(".no-number").hidden = /\d/.test(caller);
    setText(this.known, "");
    setText(this.problem, "");
    this.form.reset();
    this.dialog.showModal();
    this.#count(caller);
  }

  /** How many calls that are, as far as the history shows. */
  async #count(caller) {
    const asked = new URLSearchParams({ caller, status: "any", deleted: "with", limit: String(COUNTED) });
    try {
      const { calls, next_cursor: more } = await get(`/api/calls/history?${asked}`);
      if (caller !== this.#caller) return;
      setText(this.known, more ? `More than ${calls.length} calls of it are known.`
        : calls.length === 1 ? "One call of it is known." : `${calls.length} calls of it are known.`);
    } catch {
      // It is told afterwards, by the receipt.
    }
  }

  async #submit(event) {
    event.preventDefault();
    if (this.#isBusy()) return;
    if (bare(this.typed.value) !== bare(this.#caller)) {
      setText(this.problem, `This is not ${this.#caller}.`);
      this.typed.select();
      this.typed.focus();
      return;
    }
    this.#setBusy(true);
    setText(this.problem, "");
    try {
      const body = { caller: this.#caller, admin_id: this.#name };
      const receipt = await post("/api/erase", body, { timeoutMs: TIMEOUT_MS });
      this.dialog.close();
      this.dispatchEvent(new CustomEvent("caller-erased", { detail: receipt, bubbles: true }));
    } catch (err) {
      this.problem.replaceChildren(...this.#reason(err));
    } finally {
      this.#setBusy(false);
    }
  }

  #reason({ status, message }) {
    if (status === 0) return [`${message} Whether anything was erased is not known: look at the erasures before you try again.`];
    // The call that is in the way is named by its id: make it a way there.
    return ["Nothing was erased: ", ...message.split(/(call_[0-9A-Z]{26})/).map((part, at) =>
      at % 2 === 0 ? part : el("a", { href: `#${part}`, onclick: () => this.dialog.close() }, part))];
  }

  #isBusy() {
    return this.button.getAttribute("aria-busy") === "true";
  }

  #setBusy(isBusy) {
    this.cancel.disabled = isBusy;
    this.typed.readOnly = isBusy;
    setText(this.button, isBusy ? "Erasing…" : "Erase for good");
    if (isBusy) this.button.setAttribute("aria-busy", "true");
    else this.button.removeAttribute("aria-busy");
  }
}

/** A number as it is meant: blanks, and a plus that was left out, make no other. */
function bare(number) {
  return number.replace(/\s+/g, "").replace(/^\++/, "");
}

customElements.define("erase-caller", EraseCaller);
