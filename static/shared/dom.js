// The few DOM helpers that every page uses.
//
// Promise: whatever a caller said, however strange, reaches the page as text. Nothing here (or
// anywhere in static/) parses a string as HTML.

/**
 * Builds an element: `el("p", { class: "note", hidden: true }, "text", child)`.
 * A property that starts with `on` is a listener; `null`, `undefined` and `false` are left out.
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((it) => it !== null && it !== undefined && it !== false));
  return node;
}

/** Sets a text only when it differs, so that a tick over 200 rows touches a handful of nodes. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets an attribute only when it differs; `null` removes it. */
export function setAttr(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/**
 * Makes `parent`'s children exactly `wanted`, in that order, with as few moves as is simple.
 *
 * One row that goes from the top to the bottom is one move, not a move of all the others, and
 * the focus stays where the reader put it.
 */
export function arrange(parent, wanted) {
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  let at = parent.firstElementChild;
  for (const node of wanted) {
    if (node === at) {
      at = at.nextElementSibling;
    } else if (at && at.nextElementSibling === node) {
      // `at` itself has moved further down: take it out, it is put back at its own place.
      at.remove();
      at = node.nextElementSibling;
    } else {
      parent.insertBefore(node, at);
    }
  }
  if (focused && focused !== document.activeElement && parent.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}

/** Calls `draw` once before the next picture, however often it is asked for. */
export function oncePerFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}
