// <mirror-state>: is the copy in Firebase up to date, and do we hear what is changed there? Always
// visible; opened, it lists what Firebase refused and lets a supervisor try that again, switches
// how changes made there come here, and shows what the traffic costs.
//
// Promise: what the server does not tell is not shown, and a list that is read stays where it is
// until something in it changes.

import { get, post } from "/static/shared/api.js";
import { announce } from "/static/shared/announce.js";
import { el, setAttr, setText } from "/static/shared/dom.js";
import { durationWords, timeText } from "/static/shared/time.js";
import { costParts } from "/static/dashboard/mirror-cost.js";
import "/static/dashboard/mirror-mode.js";

const FAILED_SHOWN = 20;
/** How often an open panel asks for what the stream does not tell. */
const ASK_MS = 5_000;

export class MirrorState extends HTMLElement {
  #shown = {};

  connectedCallback() {
    this.chip = this.querySelector(".chip");
    this.words = this.querySelector(".words");
    this.explain = this.querySelector(".explain");
    this.facts = this.querySelector(".facts");
    this.refused = this.querySelector(".refused");
    this.failed = this.refused.querySelector(".failed");
    this.retry = this.querySelector(".retry");
    this.aside = this.querySelector(".aside");
    this.outcome = this.querySelector(".outcome");
    this.mode = this.querySelector("mirror-mode");
    this.costs = this.querySelector(".costs");
    this.box = this.querySelector("details");
    this.retry.addEventListener("click", () => this.#retry(this.retry, {}));
    this.box.addEventListener("toggle", () => this.#toggled());
    this.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.box.open) return;
      this.box.open = false;
      this.chip.focus();
    });
    document.addEventListener("click", (event) => {
      if (!event.composedPath().includes(this)) this.box.open = false;
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
    this.mode.show(known === "unknown" || known === "off" ? null : sync);
    this.#drawn("facts", factsOf(sync ?? {}), (facts) => {
      this.facts.hidden = facts.length === 0;
      this.facts.replaceChildren(...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
    });
    this.#drawn("failed", failed, () => this.#drawFailed(failed));
    this.#drawn("aside", sync?.set_aside ?? [], (aside) => {
      this.aside.hidden = aside.length === 0;
      this.aside.querySelector("ul").replaceChildren(...aside.slice(-FAILED_SHOWN).reverse().map((it) => el("li", {}, itemText(it))));
    });
    this.#drawn("cost", sync?.cost, (cost) => this.costs.replaceChildren(...costParts(cost)));
  }

  /** Asks the server, for streams that have not told yet. */
  async ask() {
    try {
      return await get("/api/sync");
    } catch {
      return null;
    }
  }

  /** Draws a part only when what it shows has changed. */
  #drawn(part, value, draw) {
    const text = JSON.stringify(value) ?? "";
    if (this.#shown[part] === text) return;
    this.#shown[part] = text;
    draw(value);
  }

  #drawFailed(failed) {
    const hadFocus = this.refused.contains(document.activeElement);
    this.refused.hidden = failed.length === 0;
    const more = failed.length - FAILED_SHOWN;
    this.failed.replaceChildren(
      ...failed.slice(0, FAILED_SHOWN).map((it) => this.#failedItem(it)),
      ...(more > 0 ? [el("li", {}, `And ${more} more.`)] : []));
    // One item has its own button.
    this.retry.hidden = failed.length < 2;
    const lost = hadFocus && (!this.contains(document.activeElement) || document.activeElement.closest("[hidden]"));
    if (lost) (this.failed.querySelector("button") ?? this.chip).focus();
  }

  #failedItem(item) {
    const { seq, path } = item;
    const name = String(path ?? seq);
    const again = el("button", { type: "button", class: "quiet", "aria-label": `Try again: ${name}`,
      onclick: (event) => this.#retry(event.currentTarget, { seq, path }) }, "Try again");
    return el("li", {}, itemText(item), seq === undefined ? null : again);
  }

  async #toggled() {
    clearInterval(this.asking);
    if (!this.box.open) return;
    const tell = async () => {
      const detail = await this.ask();
      if (detail) this.dispatchEvent(new CustomEvent("sync-told", { detail, bubbles: true }));
    };
    this.asking = setInterval(() => document.hidden || tell(), ASK_MS);
    tell();
  }

  async #retry(button, what) {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      await post("/api/sync/retry", what);
      setText(this.outcome, "Trying again.");
      announce("Trying again.");
    } catch (err) {
      setText(this.outcome, `Not done: ${err.message}`);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }
}

const TEXTS = {
  unknown: () => ["not known yet", "The server has not told yet."],
  off: () => ["off", "No Firebase is configured. Every call is kept on this server."],
  synced: (sync) => ["synced", (sync.failed ?? []).length > 0
    ? "Everything is in Firebase but what it refused." : "Everything is in Firebase."],
  pending: (sync) => [waiting(sync), `On its way to Firebase: ${waiting(sync)}. Nothing is lost meanwhile.`],
  unreachable: (sync) => [`unreachable, ${waiting(sync)}`,
    "Firebase cannot be reached. Every change is kept on this server and sent when it is back."],
  refused: (sync) => [`access refused, ${waiting(sync)}`,
    "Firebase refuses the credentials. Every change is kept on this server until they are mended."],
};

/** When the database was not as it was left. */
const NOTICED = {
  other_database: "another database: all is sent there",
  wiped: "it was wiped: all is sent again",
  restored: "an older copy: the rest is sent again",
  other_journal: "of another journal: all is sent again",
};

/** What went wrong where, and when. */
function itemText({ seq, path, reason, at }) {
  const when = timeText(at);
  return el("span", {}, el("code", {}, String(path ?? seq)), ` ${reason ?? ""}`,
    when ? el("span", { class: "muted" }, " · ", el("time", { datetime: at }, when)) : null);
}

function waiting({ pending, lag_seconds: lag }) {
  const count = `${pending ?? 0} pending`;
  return lag > 0 ? `${count}, ${durationWords(lag * 1000)} behind` : count;
}

/** Names and values of what the server tells. */
function factsOf({ state, trouble, pending, lag_seconds: lag, listeners, listening_trouble: deaf, taken, noticed }) {
  if (state === "off") return [];
  const open = Array.isArray(listeners) ? listeners.length : listeners?.open ?? listeners;
  return [
    trouble ? ["Does not send", String(trouble)] : null,
    Number.isFinite(pending) ? ["Waiting to be sent", String(pending)] : null,
    lag > 0 ? ["Behind by", durationWords(lag * 1000)] : null,
    Number.isFinite(open) ? ["Open listeners", String(open)] : null,
    deaf ? ["Does not listen", String(deaf)] : null,
    taken > 0 ? ["Changes taken from Firebase", String(taken)] : null,
    NOTICED[noticed?.found] ? [timeText(noticed.at), NOTICED[noticed.found]] : null,
  ].filter(Boolean);
}

customElements.define("mirror-state", MirrorState);
