// <conflict-list>: values that were changed here and in Firebase at once, oldest first. One of the
// two stayed; a named person puts the other back, or leaves it so.
//
// # Promises
// - Both values are shown, with who set them, when and where, and why one of them went under; and
//   what is there now, if it was changed again.
// - An item goes when the server says that it is settled, for everybody; the keyboard goes on at
//   the next one.

import { el, setText } from "/static/shared/dom.js";
import { timeText } from "/static/shared/time.js";
import { ShortList } from "/static/dashboard/short-list.js";

/** Longer values are not repeated on a button. */
const SHORT = 24;

export class ConflictList extends ShortList {
  draw() {
    const { conflicts } = this.board;
    const leftAt = this.#placeOfFocus();
    this.show(conflicts, "conflicts", (it, known) => this.#item(it, known));
    setText(this.querySelector(".count"), String(conflicts.size));
    if (leftAt !== null && !this.contains(document.activeElement)) {
      const next = this.list.children[Math.min(leftAt, this.list.children.length - 1)]?.querySelector("button");
      (next ?? document.getElementById("calls")).focus({ preventScroll: true });
    }
  }

  /** Which item the keyboard is in, if any. */
  #placeOfFocus() {
    const at = [...this.list.children].findIndex((it) => it.contains(document.activeElement));
    return at < 0 ? null : at;
  }

  #item(conflict, known) {
    const { field, kept, lost } = conflict;
    const call = this.board.call(conflict.call_id);
    if (known) {
      showNow(known, field, kept, call);
      return known;
    }
    const number = call?.mobile_no ?? "a call that is over";
    const where = call ? `#${conflict.call_id}` : `/history#${conflict.call_id}`;
    const problem = el("p", { class: "problem", role: "alert" });
    const path = `/api/conflicts/${encodeURIComponent(conflict.conflict_id)}`;
    const button = (verb, done, props, text) => el("button", {
      type: "button",
      ...props,
      "aria-label": `${text}: ${fieldText(field)}, ${number}`,
      onclick: (event) => this.settle(`${path}/${verb}`, done, event.currentTarget, problem),
    }, text);
    const value = valueText(field, lost);
    const node = el("li", { "data-conflict": conflict.conflict_id },
      el("p", { class: "what" }, el("b", {}, fieldText(field)), " of ", el("a", { href: encodeURI(where) }, number)),
      el("dl", {}, ...side("Kept", field, kept), ...side("Not kept", field, lost)),
      el("p", { class: "now small", hidden: true }),
      el("p", { class: "why small muted" }, whyText(conflict)),
      el("div", { class: "settle" },
        button("restore", `Put back: ${value}.`, { class: "restore" }, value.length <= SHORT ? `Put back “${value}”` : "Put it back"),
        button("dismiss", "Left so.", { class: "dismiss quiet" }, "Leave it so")),
      problem);
    showNow(node, field, kept, call);
    return node;
  }
}

/** Says what the value is by now, where that is known and it is not the one that was kept. */
function showNow(node, field, kept, call) {
  const isThere = field !== "admin_id" || call?.status === "TAKEOVER";
  const value = (isThere && call?.[field]) || undefined;
  const isChanged = Boolean(call) && call.status !== "ENDED" && field !== "deleted_at"
    && valueText(field, { value }) !== valueText(field, kept);
  const now = node.querySelector(".now");
  now.hidden = !isChanged;
  if (isChanged) setText(now, `Changed again since. Now: ${valueText(field, { value })}`);
}

function side(name, field, it) {
  const at = timeText(it.at);
  return [
    el("dt", {}, name),
    el("dd", {},
      el("span", { class: "value" }, valueText(field, it)),
      el("span", { class: "who small muted" },
        ` ${it.by ?? "nobody said who"}, ${placeText(it)}`, at ? ", " : "",
        at ? el("time", { datetime: it.at }, at) : null)),
  ];
}

const FIELDS = {
  admin_id: "Who holds the call",
  urgency: "Urgency",
  admin_notes: "Notes",
  final_action: "Done in the end",
  deleted_at: "Deletion",
};

export function fieldText(field) {
  return FIELDS[field] ?? String(field);
}

/** A value in words; nothing has words, too. */
export function valueText(field, { value }) {
  if (field === "admin_id") return value ?? "nobody, Aurora answers";
  if (field === "deleted_at") return value ? "deleted" : "not deleted";
  return value ?? "nothing";
}

function placeText({ source }) {
  return source === "firebase" ? "in Firebase" : "here";
}

function whyText({ why, field, lost }) {
  if (why === "older") return "The one that was set later stayed.";
  if (why === "safety") {
    return field === "urgency" ? "Urgency is not lowered by two changes at once; a person may do it."
      : "Nobody is taken off the line by two changes at once; a person may do it.";
  }
  return lost.by ? "The call did not allow it." : "Nobody said who did it, or the call did not allow it.";
}

customElements.define("conflict-list", ConflictList);
