// How urgency looks: always a word, a shape and a colour together, never colour alone.

import { el, setAttr, setText } from "/static/shared/dom.js";

/** Most urgent first. `critical` and `CRITICAL` both occur in the API; here it is upper case. */
export const URGENCIES = ["CRITICAL", "URGENT", "NORMAL"];

const SHAPES = { CRITICAL: "▲", URGENT: "◆", NORMAL: "●" };

/** The published form, upper case. An unknown word counts as URGENT: better seen than missed. */
export function parseUrgency(word) {
  const upper = String(word ?? "").toUpperCase();
  return URGENCIES.includes(upper) ? upper : "URGENT";
}

/** 0 is the most urgent. */
export function urgencyRank(urgency) {
  return URGENCIES.indexOf(urgency);
}

/** A badge such as `▲ CRITICAL`. */
export function urgencyBadge(urgency) {
  const badge = el("span", { class: "urgency" },
    el("span", { class: "shape", "aria-hidden": "true" }), el("span", { class: "word" }));
  setUrgency(badge, urgency);
  return badge;
}

export function setUrgency(badge, urgency) {
  setAttr(badge, "data-urgency", urgency);
  setText(badge.firstElementChild, SHAPES[urgency]);
  setText(badge.lastElementChild, urgency);
}
