// <connection-state>: says at any moment whether what the page shows is live, and turns the page
// grey when it is not. Also keeps the page's title: critical calls, or that it is not live.

import { setAttr, setText } from "/static/shared/dom.js";
import { loginLink, phaseText } from "/static/shared/phases.js";
import { clockText, durationWords } from "/static/shared/time.js";

export class ConnectionState extends HTMLElement {
  stale = false;
  #critical = 0;

  connectedCallback() {
    this.chip = this.querySelector(".chip");
    this.words = this.querySelector(".words");
    this.banner = document.getElementById("stale");
  }

  /** @param {import("/static/shared/live-stream.js").Status} status */
  show({ phase, sinceMs, stale }) {
    this.stale = stale;
    setAttr(this.chip, "data-phase", stale && phase !== "signed-out" ? "stale" : phase);
    setText(this.words, phaseText(phase, sinceMs));
    for (const it of document.querySelectorAll("[data-fresh]")) setAttr(it, "data-stale", stale ? "" : null);
    this.banner.hidden = !stale;
    const [words, age] = this.banner.children;
    setText(words, stale ? `Not live since ${clockText(sinceMs)}. ${REASONS[phase]}` : "");
    setText(age, stale ? `What you see is ${durationWords(Date.now() - sinceMs)} old.` : "");
    this.querySelector(".login")?.remove();
    if (phase === "signed-out") this.append(loginLink(`/${location.hash}`));
    this.#title();
  }

  showCritical(count) {
    this.#critical = count;
    this.#title();
  }

  #title() {
    const critical = this.#critical > 0 ? `(${this.#critical} critical) ` : "";
    setText(document.querySelector("title"), this.stale ? "Not live – Aurora" : `${critical}Aurora`);
  }
}

const REASONS = {
  connecting: "The server has not answered yet.",
  live: "",
  reconnecting: "The server is not heard; trying to reach it.",
  offline: "This computer has no network.",
  "signed-out": "You are logged out: log in to go on.",
  gone: "The server has closed the board.",
};

customElements.define("connection-state", ConnectionState);
