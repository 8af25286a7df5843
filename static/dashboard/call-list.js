// <call-list>: the board's rows, the filter, "show more", the ended calls.
//
// # Promises
// - Thousands of calls are fine: at most PAGE rows are drawn (more on request), each by its key;
//   an event redraws the rows that exist, not the page.
// - A row does not move under the pointer: while the reader points at the rows, the order is held
//   for a moment, and new calls wait for it (they are announced at once all the same).

import { arrange, oncePerFrame, setText } from "/static/shared/dom.js";
import { serverNow } from "/static/shared/time.js";
import { CallRow } from "/static/dashboard/call-row.js";
import { inOrder } from "/static/dashboard/order.js";

const PAGE = 200;
/** The order is held this long after the pointer last moved over the rows, ... */
const HOLD_MS = 2_000;
/** ... and never longer than this in total. */
const HOLD_MOST_MS = 8_000;

export class CallList extends HTMLElement {
  board = null;
  chosenId = null;
  stale = false;
  #rows = new Map();
  #shown = [];
  #limit = PAGE;
  #filter = { text: "", urgency: "" };
  #heldSince = 0;
  #heldUntil = 0;
  #drawnMs = 0;
  /** Asks for a fresh picture; many asks make one drawing. */
  refresh = oncePerFrame(() => this.#draw());

  connectedCallback() {
    this.list = this.querySelector(":scope > .rows");
    this.none = this.querySelector(".none");
    this.empty = this.querySelector(".empty");
    this.more = this.querySelector(".more");
    this.endedBox = this.querySelector(".ended-calls");
    this.addEventListener("click", (event) => this.#choose(event));
    this.addEventListener("keydown", (event) => this.#move(event));
    this.addEventListener("focusin", (event) => this.#tabStop(event.target));
    this.list.addEventListener("pointermove", () => this.#hold());
    this.list.addEventListener("pointerdown", () => this.#hold());
    this.list.addEventListener("pointerleave", () => { this.#heldUntil = 0; this.refresh(); });
    this.endedBox.addEventListener("toggle", () => this.refresh());
    this.more.addEventListener("click", () => { this.#limit += PAGE; this.refresh(); });
    document.getElementById("filter").addEventListener("input", (event) =>
      this.#filterBy({ text: event.target.value.trim().toLowerCase() }));
    document.getElementById("urgencies").addEventListener("change", (event) =>
      this.#filterBy({ urgency: event.target.value }));
  }

  /** Once a second: times run, and who has waited longest may change. Stale times stand still. */
  tick() {
    if (!this.stale && this.board) this.refresh();
  }

  #filterBy(part) {
    this.#filter = { ...this.#filter, ...part };
    this.#limit = PAGE;
    this.#heldUntil = 0;
    this.refresh();
  }

  #draw() {
    const { board } = this;
    if (!board?.known) return;
    const now = this.stale ? this.#drawnMs : serverNow();
    this.#drawnMs = now;
    const all = inOrder(board.calls.values(), this.#filter, now);
    if (Date.now() >= this.#heldUntil) {
      this.#heldSince = 0;
      this.#shown = all.slice(0, this.#limit).map((it) => it.call_id);
    }
    const active = this.#shown.map((id) => board.calls.get(id)).filter(Boolean);
    this.#drawRows(this.list, active, now);
    this.#drawEnded(now);
    this.#drawRest(all.length);
  }

  #drawRows(list, calls, now) {
    const context = { mirrorState: this.board.sync?.state };
    const nodes = calls.map((call) => {
      let row = this.#rows.get(call.call_id);
      if (!row) this.#rows.set(call.call_id, row = new CallRow(call.call_id));
      row.update(call, { ...context, chosen: call.call_id === this.chosenId });
      row.tick(call, now);
      return row.node;
    });
    arrange(list, nodes);
    this.#forget();
    if (!list.querySelector("[tabindex='0']")) list.querySelector(".open")?.setAttribute("tabindex", "0");
  }

  #drawEnded(now) {
    const { ended } = this.board;
    this.endedBox.hidden = ended.length === 0;
    setText(this.endedBox.querySelector(".count"), `(${ended.length})`);
    this.#drawRows(this.endedBox.querySelector(".rows"), this.endedBox.open ? ended : [], now);
  }

  #drawRest(matching) {
    const total = this.board.calls.size;
    this.empty.hidden = total > 0;
    this.none.hidden = total === 0 || matching > 0;
    setText(this.none, total > 0 ? `None of the ${total} active calls matches the filter.` : "");
    const hidden = matching - Math.min(matching, this.#limit);
    this.more.hidden = hidden <= 0;
    setText(this.more, `Show ${Math.min(PAGE, hidden)} more of ${hidden} calls that follow`);
    const counts = this.board.counts();
    for (const input of document.querySelectorAll("#urgencies input")) {
      setText(input.parentElement.querySelector(".count"), String(counts[input.value]));
    }
  }

  #forget() {
    for (const [id, row] of this.#rows) if (!row.node.isConnected) this.#rows.delete(id);
  }

  #hold() {
    const now = Date.now();
    if (now >= this.#heldUntil) this.#heldSince = now;
    this.#heldUntil = Math.min(now + HOLD_MS, this.#heldSince + HOLD_MOST_MS);
  }

  #choose(event) {
    const id = event.target.closest(".open, .row-item")?.closest(".row-item")?.dataset.call;
    if (id) this.dispatchEvent(new CustomEvent("choose", { detail: id, bubbles: true }));
  }

  #move(event) {
    const item = event.target.closest?.(".row-item");
    if (!item || event.ctrlKey || event.altKey || event.metaKey) return;
    const { parentElement: list } = item;
    const to = {
      ArrowDown: item.nextElementSibling,
      ArrowUp: item.previousElementSibling,
      Home: list.firstElementChild,
      End: list.lastElementChild,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    to?.querySelector(".open").focus();
  }

  /** One tab stop per list: the row that was last in use. */
  #tabStop(target) {
    if (!target.matches(".open")) return;
    for (const it of target.closest(".rows").querySelectorAll("[tabindex='0']")) it.setAttribute("tabindex", "-1");
    target.setAttribute("tabindex", "0");
  }
}

customElements.define("call-list", CallList);
