// <live-state>: says at any moment whether what the page shows is live.

import { setAttr, setText } from "/static/shared/dom.js";
import { clockText } from "/static/shared/time.js";

const WORDS = {
  connecting: () => "Connecting",
  live: () => "Live",
  reconnecting: (since) => `Reconnecting since ${since}`,
  offline: (since) => `Offline since ${since}`,
  "signed-out": () => "Logged out",
  gone: () => "Closed",
};

class LiveState extends HTMLElement {
  /** @param {import("/static/shared/live-stream.js").Status} status */
  show({ phase, sinceMs, stale }) {
    setAttr(this.querySelector(".chip"), "data-phase", stale && phase !== "signed-out" ? "stale" : phase);
    setText(this.querySelector(".words"), WORDS[phase](clockText(sinceMs)));
    if (phase === "signed-out" && !this.querySelector(".login")) this.append(loginLink());
  }
}

function loginLink() {
  const link = document.createElement("a");
  link.className = "login button primary";
  link.href = `/login?next=/team${location.search.replace("?", "%3F")}`;
  link.textContent = "Log in";
  return link;
}

customElements.define("live-state", LiveState);
