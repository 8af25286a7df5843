// How a live stream is doing, in words, and the way back in.

import { el } from "/static/shared/dom.js";
import { clockText } from "/static/shared/time.js";

const WORDS = {
  connecting: () => "Connecting",
  live: () => "Live",
  reconnecting: (since) => `Reconnecting since ${since}`,
  offline: (since) => `Offline since ${since}`,
  "signed-out": () => "Logged out",
  gone: () => "Closed",
};

export function phaseText(phase, sinceMs) {
  return WORDS[phase](clockText(sinceMs));
}

/** @param {string} next where to go on after it, as it stands in a query */
export function loginLink(next) {
  return el("a", { class: "login button primary", href: `/login?next=${next}` }, "Log in");
}
