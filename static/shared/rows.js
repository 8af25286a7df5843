// A list of rows that is one tab stop: arrow keys, Home and End move, Enter opens.
//
// Each row is a child of the list with one `.open` in it.

/** Makes the list work so; `open(row)` is called with the row that was chosen. */
export function rowKeys(list, open) {
  list.addEventListener("click", ({ target }) => {
    const row = rowOf(list, target);
    if (row) open(row);
  });
  list.addEventListener("keydown", (event) => {
    const row = rowOf(list, event.target);
    if (!row || event.ctrlKey || event.altKey || event.metaKey) return;
    const to = {
      ArrowDown: row.nextElementSibling,
      ArrowUp: row.previousElementSibling,
      Home: list.firstElementChild,
      End: list.lastElementChild,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    to?.querySelector(".open").focus();
  });
  list.addEventListener("focusin", ({ target }) => {
    if (target.matches(".open")) tabStop(list, target);
  });
}

/** After rows were added: one of them can be reached. */
export function keepTabStop(list) {
  if (!list.querySelector("[tabindex='0']")) list.querySelector(".open")?.setAttribute("tabindex", "0");
}

function tabStop(list, target) {
  for (const it of list.querySelectorAll("[tabindex='0']")) it.setAttribute("tabindex", "-1");
  target.setAttribute("tabindex", "0");
}

function rowOf(list, node) {
  while (node && node.parentElement !== list) node = node.parentElement;
  return node;
}
