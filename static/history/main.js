// The history page's wiring: a question in the form and in the address, rows that answer it, and
// beside them one call to read or what was erased.
//
// # Promises
// - The address names question and call: a reload, "back" and a link show the same.
// - What was done to a call here shows in its rows at once; one that does not answer the question
//   any more goes out of sight, and comes back when the deed is undone.
// - An answer that comes late for an older question changes nothing.

import { get } from "/static/shared/api.js";
import { nameButton } from "/static/shared/dialogs.js";
import { setText } from "/static/shared/dom.js";
import { keepTabStop, rowKeys, shownRows } from "/static/shared/rows.js";
import { Question } from "/static/history/question.js";
import { callRow, findRow } from "/static/history/result-row.js";
import "/static/history/erase-caller.js";
import "/static/history/erasure-list.js";
import "/static/history/past-call.js";

/** A page may be empty while there is more: so often we look further by ourselves. */
const LOOK_FURTHER = 5;

const form = document.getElementById("question");
const list = document.querySelector("#found .rows");
const heading = document.getElementById("results");
const told = document.getElementById("told");
const none = document.getElementById("none");
const further = document.getElementById("further");
const problem = document.getElementById("problem");
const past = document.querySelector("past-call");
const erasures = document.querySelector("erasure-list");
const toErasures = document.getElementById("to-erasures");
const question = new Question(form);

let asked = 0;
let cursor = null;
/** What each row shows, and how such a row is made. */
const itemOf = new WeakMap();

/** Asks anew, or with a cursor for what follows. */
async function ask(from = null) {
  const turn = ++asked;
  const isSearch = question.parameters().has("q");
  if (!from) list.replaceChildren();
  setText(heading, isSearch ? "Found" : "Calls");
  setText(problem, "");
  setText(told, "Looking…");
  none.hidden = further.hidden = true;
  let items = [];
  cursor = from;
  try {
    for (let look = 0; items.length === 0 && look < LOOK_FURTHER && (look === 0 || cursor); look++) {
      const page = await get(question.path(cursor));
      if (turn !== asked) return null;
      items = page.results ?? page.calls;
      cursor = page.next_cursor;
    }
  } catch (err) {
    if (turn !== asked) return null;
    setText(told, "");
    setText(problem, sentence(err));
    return null;
  }
  const rows = items.map(rowOf);
  list.append(...rows);
  tellWhat();
  return rows[0] ?? null;
}

function rowOf(item) {
  const row = "snippet" in item ? findRow(item) : callRow(item);
  itemOf.set(row, item);
  return row;
}

function tellWhat() {
  keepTabStop(list);
  markChosen();
  const isSearch = question.parameters().has("q");
  const shown = shownRows(list).length;
  const things = isSearch ? (shown === 1 ? "message" : "messages") : (shown === 1 ? "call" : "calls");
  setText(told, shown === 0 ? "" : `${shown} ${things}${cursor ? ", and there may be more" : ""}`);
  further.hidden = !cursor;
  setText(further, shown === 0 ? "Look further back" : "Show more");
  none.hidden = shown > 0;
  setText(none, cursor ? "Nothing so far; there is more to look through." : "Nothing was found.");
}

function sentence({ status, message }) {
  return status === 401 ? "You are not logged in any more. Reload the page to log in." : message;
}

function chosen() {
  const [call, message] = decodeURIComponent(location.hash.slice(1)).split("/");
  return call.startsWith("call_") ? { call, message: message ?? null } : { call: null, message: null };
}

function markChosen() {
  const { call, message } = chosen();
  for (const row of list.children) {
    const is = row.dataset.call === call && (row.dataset.message ?? null) === message;
    const open = row.querySelector(".open");
    if (is) open.setAttribute("aria-current", "true");
    else open.removeAttribute("aria-current");
  }
}

function areErasuresChosen() {
  return location.hash === "#erasures";
}

/** Shows what the address names: a call, or what was erased. */
async function showChosen({ focus = false, receipt = null } = {}) {
  const { call, message } = chosen();
  const areErasures = areErasuresChosen();
  document.body.toggleAttribute("data-chosen", call !== null || areErasures);
  markChosen();
  past.hidden = areErasures;
  if (areErasures) {
    past.show(null);
    erasures.show(receipt);
    if (focus) document.getElementById("erasures-title").focus({ preventScroll: true });
    return;
  }
  erasures.hide();
  await past.show(call, message);
  if (focus && call) document.getElementById("call-title").focus({ preventScroll: true });
}

/** A call was deleted, restored or held: its rows say so, and only those that are asked for stay. */
function keepRows({ call_id: callId, deleted_at: deletedAt, legal_hold: legalHold }) {
  if (legalHold === undefined) return;
  const asked = question.parameters().get("deleted") ?? "without";
  for (const row of list.children) {
    if (row.dataset.call !== callId) continue;
    const fresh = rowOf({ ...itemOf.get(row), deleted_at: deletedAt, legal_hold: legalHold });
    fresh.hidden = asked !== "with" && (asked === "only") !== Boolean(deletedAt);
    row.replaceWith(fresh);
  }
  tellWhat();
}

/** Where the keyboard goes on when the call at the side is closed: its row, or the next one. */
function rowToReturnTo() {
  const rows = [...list.children];
  const at = rows.findIndex((it) => it.querySelector("[aria-current]"));
  const row = at < 0 ? null
    : rows.slice(at).find((it) => !it.hidden) ?? rows.slice(0, at).findLast((it) => !it.hidden);
  return row?.querySelector(".open") ?? heading;
}

function go(parameters, hash) {
  const search = String(parameters);
  history.pushState(null, "", `${location.pathname}${search ? `?${search}` : ""}${hash}`);
}

rowKeys(list, (row) => {
  const { call, message } = row.dataset;
  go(question.parameters(), `#${encodeURIComponent(message ? `${call}/${message}` : call)}`);
  showChosen({ focus: true });
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  question.tell();
  go(question.parameters(), location.hash);
  ask();
});
form.addEventListener("change", () => question.tell());
document.getElementById("clear").addEventListener("click", () => {
  question.clear();
  form.requestSubmit();
});
further.addEventListener("click", async () => {
  const first = await ask(cursor);
  (first?.querySelector(".open") ?? heading).focus();
});
document.addEventListener("close-side", () => {
  const before = areErasuresChosen() ? toErasures : rowToReturnTo();
  go(question.parameters(), "");
  showChosen();
  before.focus();
});
document.addEventListener("keydown", ({ key }) => {
  const side = document.activeElement.closest("past-call, erasure-list");
  if (key === "Escape") side?.querySelector(".back").click();
});
document.addEventListener("call-kept", ({ detail }) => keepRows(detail));
document.addEventListener("erase-caller", ({ detail }) => document.querySelector("erase-caller").ask(detail));
document.addEventListener("caller-erased", ({ detail }) => {
  go(question.parameters(), "#erasures");
  ask();
  showChosen({ focus: true, receipt: detail.receipt_id });
});
toErasures.addEventListener("click", (event) => {
  event.preventDefault();
  if (!areErasuresChosen()) go(question.parameters(), "#erasures");
  showChosen({ focus: true });
});
nameButton(document.getElementById("rename"));
window.addEventListener("popstate", () => {
  question.read(location.search);
  ask();
  showChosen();
});

question.read(location.search);
ask();
showChosen();
