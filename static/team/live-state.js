// <live-state>: says at any moment whether what the page shows is live.

import { setAttr, setText } from "/static/shared/dom.js";
import { loginLink, phaseText } from "/static/shared/phases.js";

class LiveState extends HTMLElement {
  /** @param {import("/static/shared/live-stream.js").Status} status */
  show({ phase, sinceMs, stale }) {
    setAttr(this.querySelector(".chip"), "data-phase", stale && phase !== "signed-out" ? "stale" : phase);
    setText(this.querySelector(".words"), phaseText(phase, sinceMs));
    if (phase === "signed-out" && !this.querySelector(".login")) {
      this.append(loginLink(`/team${location.search.replace("?", "%3F")}`));
    }
  }
}

customElements.define("live-state", LiveState);
