// <keep-call>: what may become of an ended call. Deleted and had back, kept by law, and the way to
// erase its caller everywhere.
//
// # Promises
// - Nothing is shown as done before the server says so, and a refusal is shown with its reason.
// - The focus stays where it was or goes to the button that takes the deed back.

import { del, post } from "/static/shared/api.js";
import { announce } from "/static/shared/announce.js";
import { confirmed, nameOrAsk } from "/static/shared/dialogs.js";
import { setAttr, setText } from "/static/shared/dom.js";
import { dateAndTime } from "/static/shared/time.js";

export class KeepCall extends HTMLElement {
  #call = null;

  connectedCallback() {
    const button = (name, act) => {
      const found = this.querySelector(`.${name}`);
      found.addEventListener("click", () => act(found));
      return found;
    };
    this.choices = this.querySelector(".actions");
    this.gone = this.querySelector(".gone");
    this.goneText = this.gone.querySelector("span");
    this.hint = this.querySelector(".hint");
    this.board = this.querySelector(".on-board");
    this.problem = this.querySelector(".problem");
    this.delete = button("delete", (it) => this.#delete(it));
    this.restore = button("restore", (it) => this.#restore(it));
    this.hold = button("hold", (it) => this.#hold(it));
    this.erase = button("erase", () => this.#erase());
  }

  /** Shows what may be done with this call, as the server tells of it. */
  show(call) {
    const isOpened = this.hidden;
    this.#call = call;
    this.hidden = false;
    if (isOpened) {
      setText(this.problem, "");
      setText(this.restore, "Restore");
    }
    const isOpen = call.status !== "ENDED";
    this.choices.hidden = isOpen;
    this.board.hidden = !isOpen;
    this.board.querySelector("a").href = `/#${encodeURIComponent(call.call_id)}`;
    this.gone.hidden = !call.deleted_at;
    setText(this.goneText, `Deleted ${dateAndTime(call.deleted_at)}. It can be restored until it is erased for good.`);
    this.delete.hidden = Boolean(call.deleted_at);
    this.delete.disabled = Boolean(call.legal_hold);
    this.erase.disabled = Boolean(call.legal_hold) || !call.mobile_no;
    setAttr(this.hold, "aria-pressed", String(Boolean(call.legal_hold)));
    setText(this.hint, call.legal_hold && !isOpen
      ? "On legal hold: it can be neither deleted nor erased, and the policy leaves it alone." : "");
  }

  async #delete(button) {
    const done = await this.#ask(button, (path, body) => del(path, body), "");
    if (!done) return;
    announce("Deleted. It can be restored.");
    setText(this.restore, "Undo");
    this.restore.focus();
  }

  async #restore(button) {
    const done = await this.#ask(button, post, "/restore");
    if (!done) return;
    announce("The call is back.");
    setText(this.restore, "Restore");
    (this.delete.disabled ? this.hold : this.delete).focus();
  }

  async #hold(button) {
    const on = !this.#call.legal_hold;
    if (!on && !(await confirmed({
      title: "Lift the legal hold?",
      text: "From then on people and the policy can delete and erase this call. Your name is recorded with it.",
      yes: "Lift the hold",
    }))) return;
    const done = await this.#ask(button, post, "/hold", { legal_hold: on });
    if (done) announce(on ? "The call is on legal hold." : "The legal hold is lifted.");
  }

  #erase() {
    const { mobile_no: caller } = this.#call;
    this.dispatchEvent(new CustomEvent("erase-caller", { detail: caller, bubbles: true }));
  }

  /** Has it done; whether it was, and this call is still the one that is shown. */
  async #ask(button, send, verb, wish = {}) {
    const call = this.#call;
    const name = await nameOrAsk();
    if (name === "" || button.getAttribute("aria-busy") === "true") return false;
    button.setAttribute("aria-busy", "true");
    setText(this.problem, "");
    let detail = { call_id: call.call_id };
    try {
      const path = `/api/calls/${encodeURIComponent(call.call_id)}${verb}`;
      detail = await send(path, { ...wish, admin_id: name });
      if (this.#call === call) this.show({ ...call, deleted_at: detail.deleted_at, legal_hold: detail.legal_hold });
    } catch (err) {
      if (this.#call === call) setText(this.problem, `Not done: ${err.message}`);
      // Somebody else was here first: what is shown is old. Read again, it is true.
      if (err.status !== 404 && err.status !== 409) return false;
    } finally {
      button.removeAttribute("aria-busy");
    }
    this.dispatchEvent(new CustomEvent("call-kept", { detail, bubbles: true }));
    return this.#call.call_id === call.call_id && this.problem.textContent === "";
  }
}

customElements.define("keep-call", KeepCall);
