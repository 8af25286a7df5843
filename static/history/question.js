// What is asked: the form, the page's address and the API's parameters are three spellings of it.

import { setText } from "/static/shared/dom.js";

const PLAIN = ["q", "caller", "supervisor", "zone", "deleted"];
const TIMES = ["from", "to"];

export class Question {
  constructor(form) {
    this.form = form;
    this.fields = form.elements;
    this.summary = form.querySelector("#n-filters");
  }

  /** Fills the form from the page's address. */
  read(search) {
    const given = new URLSearchParams(search);
    for (const name of PLAIN) this.fields[name].value = given.get(name) ?? "";
    for (const name of TIMES) this.fields[name].value = local(given.get(name));
    this.fields.status.value = given.get("status") || "any";
    const levels = (given.get("urgency") ?? "").split(",");
    for (const it of this.#levels()) it.checked = levels.includes(it.value);
    if (this.#nFilters() > 0) this.form.querySelector("details").open = true;
    this.tell();
  }

  /** As parameters, for the address and for the API alike. */
  parameters() {
    const asked = new URLSearchParams();
    for (const name of PLAIN) {
      const value = this.fields[name].value.trim();
      if (value) asked.set(name, value);
    }
    for (const name of TIMES) {
      const time = new Date(this.fields[name].value);
      if (!Number.isNaN(time.getTime())) asked.set(name, time.toISOString());
    }
    const levels = this.#levels().filter((it) => it.checked).map((it) => it.value);
    if (levels.length > 0) asked.set("urgency", levels.join(","));
    if (this.fields.status.value !== "any") asked.set("status", this.fields.status.value);
    return asked;
  }

  /** Where the API answers it. */
  path(cursor) {
    const asked = this.parameters();
    if (!asked.has("status")) asked.set("status", "any");
    if (cursor) asked.set("cursor", cursor);
    return `${asked.has("q") ? "/api/search" : "/api/calls/history"}?${asked}`;
  }

  clear() {
    const q = this.fields.q.value;
    this.form.reset();
    this.fields.q.value = q;
    this.tell();
  }

  /** How many filters narrow the question: they may be folded away. */
  tell() {
    const count = this.#nFilters();
    setText(this.summary, count === 0 ? "" : `(${count} set)`);
  }

  #nFilters() {
    const asked = this.parameters();
    asked.delete("q");
    return [...asked.keys()].length;
  }

  #levels() {
    return [...this.fields.urgency];
  }
}

/** A time of the address as the field for local times wants it. */
function local(timestamp) {
  const time = new Date(timestamp ?? "");
  if (Number.isNaN(time.getTime())) return "";
  const shifted = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}
