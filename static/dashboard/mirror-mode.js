// How the mirror listens: at once, now and again, or not at all. A switch that follows the server.

import { post } from "/static/shared/api.js";
import { el, setText } from "/static/shared/dom.js";

const EVERY = "periodic:30s";
/** What was told before a switch may come after it. */
const LATE_MS = 10_000;

export class MirrorMode extends HTMLElement {
  #drawn = null;
  /** What was asked for last, until when the server may still tell of what was before. */
  #wanted = { mode: null, untilMs: 0 };
  #isAsking = false;

  connectedCallback() {
    this.choices ??= el("fieldset", { class: "segments" }, el("legend", {}, "Changes made in Firebase come"));
    this.told ??= el("p", { class: "small", role: "status" });
    this.by ??= el("span", { class: "small muted" });
    this.back ??= el("button", { type: "button", class: "quiet", onclick: () => this.#ask(null) }, "As the settings say");
    this.append(this.choices, el("p", {}, this.by, " ", this.back), this.told);
  }

  /** Shows the mode that the server tells, and who chose it; without one there is no switch. */
  show(sync) {
    const mode = sync?.mode;
    this.hidden = typeof mode !== "string";
    if (this.hidden || this.#isAsking) return;
    if (mode !== this.#wanted.mode && Date.now() < this.#wanted.untilMs) return;
    this.#wanted.untilMs = 0;
    setText(this.by, CHOSEN[sync.mode_by] ?? "");
    const hadFocus = document.activeElement === this.back;
    this.back.hidden = sync.mode_by !== "person";
    if (mode !== this.#drawn) this.#draw(mode);
    // A button that goes must not take the keyboard's place along.
    if (hadFocus && this.back.hidden) this.choices.querySelector(":checked").focus();
  }

  #draw(mode) {
    this.#drawn = mode;
    const periodic = mode.startsWith("periodic:") ? mode : EVERY;
    const focused = this.choices.contains(document.activeElement);
    const choice = (value, text) => el("label", {}, el("input", {
      type: "radio", name: "mirror-mode", value, checked: value === mode, onchange: () => this.#ask(value),
    }), text);
    this.choices.replaceChildren(this.choices.firstElementChild,
      choice("live", "At once"), choice(periodic, `Every ${spaced(periodic.slice("periodic:".length))}`), choice("off", "Not at all"));
    if (focused) this.choices.querySelector(":checked").focus();
  }

  async #ask(mode) {
    if (this.#isAsking) return;
    this.#isAsking = true;
    setText(this.told, "");
    try {
      const now = await post("/api/sync/mode", { mode });
      setText(this.told, "Switched.");
      // Where the rollout decides, its answer is still to come.
      this.#wanted = { mode: now.mode, untilMs: mode === null ? 0 : Date.now() + LATE_MS };
      this.#draw(now.mode);
    } catch (err) {
      setText(this.told, `Not done: ${err.message}`);
      const before = this.#drawn;
      this.#draw(before);
    } finally {
      this.#isAsking = false;
    }
  }
}

const CHOSEN = {
  person: "Chosen by a supervisor.",
  environment: "As the settings say.",
  rollout: "As the rollout in the database says.",
};

/** `30s` reads "30 s". */
function spaced(length) {
  return length.replace(/^(\d+)([a-z]+)$/, "$1 $2");
}

customElements.define("mirror-mode", MirrorMode);
