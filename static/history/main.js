// The history page's wiring: a question in the form and in the address, rows that answer it, one
// call to read.
//
// # Promises
// - The address names question and call: a reload, "back" and a link show the same.
// - An answer that comes late for an older question changes nothing.

import { get } from "/static/shared/api.js";
import { setText } from "/static/shared/dom.js";
import { keepTabStop, rowKeys } from "/static/shared/rows.js";
import { Question } from "/static/history/question.js";
import { callRow, findRow } from "/static/history/result-row.js";
import "/static/history/past-call.js";

/** A page may be empty while there is more: so often we look further by ourselves. */
const LOOK_FURTHER = 5;

const form = document.getElementById("ask");
const list = document.querySelector("#found .rows");
const heading = document.getElementById("results");
const told = document.getElementById("told");
const none = document.getElementById("none");
const further = document.getElementById("further");
const problem = document.getElementById("problem");
const past = document.querySelector("past-call");
const question = new Question(form);

let asked = 0;
let cursor = null;

/** Asks anew, or with a cursor for what follows. */
async function ask(from = null) {
  const turn = ++asked;
  const isSearch = question.parameters().has("q");
  const rowOf = isSearch ? findRow : callRow;
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
  keepTabStop(list);
  markChosen();
  tellWhat(isSearch);
  return rows[0] ?? null;
}

function tellWhat(isSearch) {
  const shown = list.childElementCount;
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

/** Shows the call that the address names. */
async function showChosen({ focus = false } = {}) {
  const { call, message } = chosen();
  document.body.toggleAttribute("data-chosen", call !== null);
  markChosen();
  await past.show(call, message);
  if (focus && call) document.getElementById("call-title").focus({ preventScroll: true });
}

function go(search, hash) {
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
document.addEventListener("close-call", () => {
  const before = list.querySelector("[aria-current]") ?? heading;
  go(question.parameters(), "");
  showChosen();
  before.focus();
});
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape" && chosen().call && past.contains(document.activeElement)) {
    past.querySelector(".back").click();
  }
});
window.addEventListener("popstate", () => {
  question.read(location.search);
  ask();
  showChosen();
});

question.read(location.search);
ask();
showChosen();
