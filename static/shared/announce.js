// Words for screen readers, in the page's two live regions `#polite` and `#assertive`.
//
// A burst of events is one announcement: what arrives within a moment is joined, and only the
// newest few are read.

const GATHER_MS = 400;
const MOST = 3;

const waiting = { polite: [], assertive: [] };

/** @param {"polite"|"assertive"} how */
export function announce(text, how = "polite") {
  const queue = waiting[how];
  queue.push(text);
  if (queue.length > 1) return;
  setTimeout(() => {
    const last = queue.slice(-MOST);
    const more = queue.length - last.length;
    queue.length = 0;
    const region = document.getElementById(how);
    if (region) region.textContent = last.join(" ") + (more > 0 ? ` And ${more} more.` : "");
  }, GATHER_MS);
}
