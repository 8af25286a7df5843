// <mirror-state>: is the copy in Firebase up to date? Always visible; opened, it lists what
// Firebase refused and lets a supervisor try that again.

import { get, post } from "/static/shared/api.js";
import { el, setAttr, setText } from "/static/shared/dom.js";
import { durationWords } from "/static/shared/time.js";

const FAILED_SHOWN = 20;

export class MirrorState extends HTMLElement {
  connectedCallback() {
    this.chip = this.querySelector(".chip");
    this.words = this.querySelector(".words");
    this.explain = this.querySelector(".explain");
    this.failed = this.querySelector(".failed");
    this.retry = this.querySelector(".retry");
    this.outcome = this.querySelector(".outcome");
    this.retry.addEventListener("click", () => this.#retry());
    const box = this.querySelector("details");
    this.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !box.open) return;
      box.open = false;
      this.chip.focus();
    });
    document.addEventListener("click", (event) => {
      if (!this.contains(event.target)) box.open = false;
    });
    this.show(null);
  }

  /** Draws a state of the mirror; without one it is unknown. */
  show(sync) {
    const failed = sync?.failed ?? [];
    const known = sync && TEXTS[sync.state] ? sync.state : "unknown";
    setAttr(this.chip, "data-mirror", failed.length > 0 && known === "synced" ? "pending" : known);
    const [short, long] = TEXTS[known](sync ?? {});
    setText(this.words, `Mirror: ${short}${failed.length > 0 ? `, ${failed.length} refused` : ""}`);
    setText(this.explain, long);
    this.retry.hidden = failed.length === 0;
    this.failed.replaceChildren(...failed.slice(0, FAILED_SHOWN).map((it) =>
      el("li", {}, el("code", {}, String(it.path ?? it.seq)), ` ${it.reason ?? ""}`)));
  }

  /** Asks the server, for streams that have not told yet. */
  async ask() {
    try {
      return await get("/api/sync");
    } catch {
      return null;
    }
  }

  async #retry() {
    this.retry.disabled = true;
    try {
      await post("/api/sync/retry", {});
      setText(this.outcome, "Trying again.");
    } catch (err) {
      setText(this.outcome, `Not done: ${err.message}`);
    } finally {
      this.retry.disabled = false;
    }
  }
}

const TEXTS = {
  unknown: () => ["not known yet", "The server has not told yet."],
  off: () => ["off", "No Firebase is configured. Every call is kept on this server."],
  synced: () => ["synced", "Everything is in Firebase."],
  pending: (sync) => [waiting(sync), `On its way to Firebase: ${waiting(sync)}. Nothing is lost meanwhile.`],
  unreachable: (sync) => [`unreachable, ${waiting(sync)}`,
    "Firebase cannot be reached. Every change is kept on this server and sent when it is back."],
  refused: (sync) => [`access refused, ${waiting(sync)}`,
    "Firebase refuses the credentials. Every change is kept on this server until they are mended."],
};

function waiting({ pending, lag_seconds: lag }) {
  const count = `${pending ?? 0} pending`;
  return lag > 0 ? `${count}, ${durationWords(lag * 1000)} behind` : count;
}

customElements.define("mirror-state", MirrorState);
