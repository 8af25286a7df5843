// <alert-strip>: what somebody should know now, newest first, until a named person acknowledges it.

import { el } from "/static/shared/dom.js";
import { clockText, parseTime } from "/static/shared/time.js";
import { ShortList } from "/static/dashboard/short-list.js";

export class AlertStrip extends ShortList {
  draw() {
    const alerts = [...this.board.alerts.values()]
      .sort((a, b) => (parseTime(b.at) ?? 0) - (parseTime(a.at) ?? 0));
    this.show(new Map(alerts.map((it) => [it.alert_id, it])), "alerts", (it, known) => known ?? this.#item(it));
  }

  #item(alert) {
    const at = parseTime(alert.at);
    const call = this.board.call(alert.call_id);
    const problem = el("span", { class: "problem", role: "alert" });
    const path = `/api/alerts/${encodeURIComponent(alert.alert_id)}/acknowledge`;
    return el("li", {},
      el("span", { class: "sign", "aria-hidden": "true" }, "!"),
      el("span", { class: "what" },
        el("b", {}, alertTitle(alert)), " ",
        at === null ? null : el("time", { datetime: alert.at }, clockText(at)), " ",
        String(alert.detail ?? ""), " ",
        alert.call_id ? el("a", { href: `#${alert.call_id}` }, `Open ${call?.mobile_no ?? "call"}`) : null,
        " ", problem),
      el("button", {
        type: "button",
        "aria-label": `Acknowledge: ${alertTitle(alert)}`,
        onclick: (event) => this.settle(path, "Acknowledged.", event.currentTarget, problem),
      }, "Acknowledge"));
  }
}

/** `critical_call` reads "Critical call". */
export function alertTitle({ kind }) {
  const words = String(kind ?? "alert").replace(/[_-]+/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

customElements.define("alert-strip", AlertStrip);
