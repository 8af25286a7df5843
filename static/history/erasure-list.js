// <erasure-list>: what was erased when and by whom, newest first. A receipt holds no word and no
// number.

import { get } from "/static/shared/api.js";
import { announce } from "/static/shared/announce.js";
import { el, setText } from "/static/shared/dom.js";
import { dateAndTime, durationWords, parseTime } from "/static/shared/time.js";

/** An erasure under way is looked at so often. */
const LOOK_MS = 2_000;
const PAGE = 20;

export class ErasureList extends HTMLElement {
  #cursor = null;
  #turn = 0;
  #waitsFor = null;

  connectedCallback() {
    this.heading = this.querySelector("h2");
    this.underWay = this.querySelector(".under-way");
    this.problem = this.querySelector(".problem");
    this.list = this.querySelector(".receipts");
    this.none = this.querySelector(".none");
    this.more = this.querySelector(".more");
    this.querySelector(".back").addEventListener("click", () => {
      this.dispatchEvent(new CustomEvent("close-side", { bubbles: true }));
    });
    this.more.addEventListener("click", () => this.#further());
  }

  /** Shows the newest; `receiptId`: the one that is waited for, or has just come. */
  async show(receiptId = null) {
    this.hidden = false;
    this.#waitsFor = receiptId ?? this.#waitsFor;
    const turn = ++this.#turn;
    const page = await this.#page(null, turn);
    if (!page) return;
    this.list.replaceChildren(...page.erasures.map(receiptNode));
    this.none.hidden = page.erasures.length > 0 || page.under_way !== null;
    this.#tellUnderWay(page, turn);
  }

  hide() {
    this.hidden = true;
    this.#turn += 1;
    this.#waitsFor = null;
  }

  async #further() {
    const page = await this.#page(this.#cursor, this.#turn);
    if (!page) return;
    const nodes = page.erasures.map(receiptNode);
    this.list.append(...nodes);
    nodes[0]?.querySelector("summary").focus();
  }

  /** A page, or `null` when it could not be had or is not wanted any more. */
  async #page(cursor, turn) {
    const asked = new URLSearchParams({ limit: String(PAGE) });
    if (cursor) asked.set("cursor", cursor);
    let page;
    try {
      page = await get(`/api/erasures?${asked}`);
    } catch (err) {
      if (turn === this.#turn) setText(this.problem, err.message);
      return null;
    }
    if (turn !== this.#turn) return null;
    setText(this.problem, "");
    this.#cursor = page.next_cursor;
    this.more.hidden = !page.next_cursor;
    return page;
  }

  #tellUnderWay({ under_way: underWay, erasures }, turn) {
    this.underWay.hidden = !underWay;
    if (underWay) {
      this.#waitsFor ??= underWay.receipt_id;
      setText(this.underWay, `An erasure of ${calls(underWay.n_calls)} is under way since ${dateAndTime(underWay.at)}. `
        + "They are out of sight already; it goes on by itself, also when you leave this page.");
      setTimeout(() => turn === this.#turn && this.show(), LOOK_MS);
      return;
    }
    const done = erasures.find((it) => it.receipt_id === this.#waitsFor);
    this.#waitsFor = null;
    if (!done) return;
    this.list.querySelector(`[data-receipt="${CSS.escape(done.receipt_id)}"]`)?.setAttribute("data-new", "");
    announce(`Erased: ${calls(done.n_calls)}. The receipt is in the list.`);
  }
}

function receiptNode(receipt) {
  const { receipt_id: id, at, finished_at: end, by, n_calls: nCalls, n_messages: nMessages } = receipt;
  const tookMs = (parseTime(end) ?? 0) - (parseTime(at) ?? 0);
  const left = receipt.left ?? [];
  return el("li", { class: "receipt", "data-receipt": id },
    el("p", {}, el("b", {}, dateAndTime(end)), ` · by ${by ?? "the policy"}`),
    el("p", {}, `${calls(nCalls)} with ${nMessages} ${nMessages === 1 ? "message" : "messages"}, in ${tookMs < 1000 ? "less than a second" : durationWords(tookMs)}`),
    left.length === 0 ? null : el("div", { class: "banner" },
      el("p", {}, "Somebody has to look through these files by hand:"),
      el("ul", {}, ...left.map((it) => el("li", {}, el("code", {}, it))))),
    el("details", {},
      el("summary", {}, "Details"),
      el("dl", {},
        fact("Receipt", id),
        fact("Hash chain before", receipt.chain_before ?? "none yet"),
        fact("Hash chain after", receipt.chain_after ?? "none yet"),
        ...(receipt.call_ids ?? []).map((it) => fact("Call", it)))));
}

function fact(name, value) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, el("code", {}, value)));
}

function calls(n) {
  return `${n} ${n === 1 ? "call" : "calls"}`;
}

customElements.define("erasure-list", ErasureList);
