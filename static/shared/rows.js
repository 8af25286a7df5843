// A list of rows that is one tab stop: arrow keys, Home and End move, Enter opens.
//
// Each row is a child of the list with one `.open` in it. Hidden rows are passed over.

/** Makes the list work so; `open(row)` is called with the row that was chosen. */
export function rowKeys(list, open) {
  list.addEventListener("click", ({ target }) => {
    const row = rowOf(list, target);
    if (row) open(row);
  });
  list.addEventListener("keydown", (event) => {
    const row = rowOf(list, event.target);
    if (!row || event.ctrlKey || event.altKey || event.metaKey) return;
    const rows = shownRows(list);
    const at = rows.indexOf(row);
    const to = {
      ArrowDown: rows[at + 1] ?? null,
      ArrowUp: rows[at - 1] ?? null,
      Home: rows[0],
      End: rows.at(-1),
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    to?.querySelector(".open").focus();
  });
  list.addEventListener("focusin", ({ target }) => {
    if (target.matches(".open")) tabStop(list, target);
  });
}

/** After rows were added, hidden or replaced: one of those shown can be reached. */
export function keepTabStop(list) {
  const rows = shownRows(list);
  if (rows.some((it) => it.querySelector("[tabindex='0']"))) return;
  const first = rows[0]?.querySelector(".open");
  if (first) tabStop(list, first);
}

/** The rows that can be seen. */
export function shownRows(list) {
  return [...list.children].filter((it) => !it.hidden);
}

function tabStop(list, target) {
  for (const it of list.querySelectorAll("[tabindex='0']")) it.setAttribute("tabindex", "-1");
  target.setAttribute("tabindex", "0");
}

function rowOf(list, node) {
  while (node && node.parentElement !== list) node = node.parentElement;
  return node;
}
