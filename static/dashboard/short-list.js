// What waits for a named person, the first few of it: the part that <alert-strip> and
// <conflict-list> share.

import { post } from "/static/shared/api.js";
import { announce } from "/static/shared/announce.js";
import { nameOrAsk } from "/static/shared/dialogs.js";
import { arrange, oncePerFrame, setText } from "/static/shared/dom.js";

const SHOWN = 3;

export class ShortList extends HTMLElement {
  board = null;
  #nodes = new Map();
  refresh = oncePerFrame(() => this.draw());

  connectedCallback() {
    this.list = this.querySelector("ul");
    this.more = this.querySelector(".more");
    this.more.addEventListener("click", () => {
      this.more.setAttribute("aria-expanded", String(!this.isOpen));
      this.refresh();
    });
  }

  get isOpen() {
    return this.more.getAttribute("aria-expanded") === "true";
  }

  /** Shows items by their ids, in that order; `nodeOf` gets an item and the node that it has, if any. */
  show(items, what, nodeOf) {
    for (const id of this.#nodes.keys()) if (!items.has(id)) this.#nodes.delete(id);
    const all = [...items];
    arrange(this.list, (this.isOpen ? all : all.slice(0, SHOWN)).map(([id, item]) => {
      const node = nodeOf(item, this.#nodes.get(id));
      this.#nodes.set(id, node);
      return node;
    }));
    this.hidden = all.length === 0;
    this.more.hidden = all.length <= SHOWN;
    setText(this.more, this.isOpen ? `Show fewer ${what}` : `Show all ${all.length} ${what}`);
  }

  /** Does it under the reader's name, and says that it is done, or at `problem` why it is not. */
  async settle(path, done, button, problem) {
    const name = await nameOrAsk();
    if (!name || button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    setText(problem, "");
    try {
      await post(path, { admin_id: name });
      announce(done);
    } catch (err) {
      setText(problem, `Not done: ${err.message}`);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }
}
