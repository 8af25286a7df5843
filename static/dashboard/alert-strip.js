// <alert-strip>: what somebody should know now, newest first, until a named person acknowledges it.

import { ApiError, post } from "/static/shared/api.js";
import { announce } from "/static/shared/announce.js";
import { nameOrAsk } from "/static/shared/dialogs.js";
import { arrange, el, oncePerFrame, setText } from "/static/shared/dom.js";
import { clockText, parseTime } from "/static/shared/time.js";

const SHOWN = 3;

export class AlertStrip extends HTMLElement {
  board = null;
  #items = new Map();
  refresh = oncePerFrame(() => this.#draw());

  connectedCallback() {
    this.list = this.querySelector("ul");
    this.more = this.querySelector(".more");
    this.more.addEventListener("click", () => {
      this.more.setAttribute("aria-expanded", String(!this.isOpen));
      this.refresh();
    });
  }

  get isOpen() {
    return this.more.getAttribute("aria-expanded") === "true";
  }

  #draw() {
    const alerts = [...this.board.alerts.values()]
      .sort((a, b) => (parseTime(b.at) ?? 0) - (parseTime(a.at) ?? 0));
    this.hidden = alerts.length === 0;
    for (const id of this.#items.keys()) if (!this.board.alerts.has(id)) this.#items.delete(id);
    const shown = this.isOpen ? alerts : alerts.slice(0, SHOWN);
    arrange(this.list, shown.map((it) => this.#item(it)));
    this.more.hidden = alerts.length <= SHOWN;
    setText(this.more, this.isOpen ? "Show fewer alerts" : `Show all ${alerts.length} alerts`);
  }

  #item(alert) {
    const known = this.#items.get(alert.alert_id);
    if (known) return known;
    const at = parseTime(alert.at);
    const call = this.board.call(alert.call_id);
    const problem = el("span", { class: "problem", role: "alert" });
    const node = el("li", {},
      el("span", { class: "sign", "aria-hidden": "true" }, "!"),
      el("span", { class: "what" },
        el("b", {}, alertTitle(alert)), " ",
        at === null ? null : el("time", { datetime: alert.at }, clockText(at)), " ",
        String(alert.detail ?? ""), " ",
        alert.call_id ? el("a", { href: `#${alert.call_id}` }, `Open ${call?.mobile_no ?? "call"}`) : null,
        problem),
      el("button", {
        type: "button",
        "aria-label": `Acknowledge: ${alertTitle(alert)}`,
        onclick: (event) => this.#acknowledge(alert, event.currentTarget, problem),
      }, "Acknowledge"));
    this.#items.set(alert.alert_id, node);
    return node;
  }

  async #acknowledge(alert, button, problem) {
    const name = await nameOrAsk();
    if (!name || button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    setText(problem, "");
    try {
      await post(`/api/alerts/${encodeURIComponent(alert.alert_id)}/acknowledge`, { admin_id: name });
      announce("Acknowledged.");
    } catch (err) {
      setText(problem, err instanceof ApiError ? ` Not done: ${err.message}` : " Not done.");
    } finally {
      button.removeAttribute("aria-busy");
    }
  }
}

/** `critical_call` reads "Critical call". */
export function alertTitle({ kind }) {
  const words = String(kind ?? "alert").replace(/[_-]+/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

customElements.define("alert-strip", AlertStrip);
