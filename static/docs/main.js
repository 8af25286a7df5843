// The API description: one folded entry per operation, grouped by audience, from openapi.json.

import { get } from "/static/shared/api.js";
import { el } from "/static/shared/dom.js";
import { prose, resolved, schemaView } from "/static/docs/schema.js";
import { tryItForm } from "/static/docs/try-it.js";

const METHODS = ["get", "post", "put", "patch", "delete"];
const operations = document.getElementById("operations");
const found = document.getElementById("found");
const entries = [];

try {
  render(await get("/static/openapi.json"));
} catch (err) {
  operations.append(el("p", { class: "banner bad", role: "alert" }, `The description cannot be read: ${err.message}`));
}

function render(root) {
  document.getElementById("about").append(...prose(root.info.description));
  for (const { name, description } of root.tags) {
    const own = listed(root, name);
    const id = `tag-${name.toLowerCase().replaceAll(" ", "-")}`;
    operations.append(el("section", { "aria-labelledby": id },
      el("h2", { id }, name), el("p", { class: "muted" }, ...prose(description)),
      ...own.map((it) => entry(it, root))));
  }
  document.getElementById("schemas").append(...Object.entries(root.components.schemas).map(([name, schema]) =>
    el("section", { id: `schema-${name}`, class: "card object" },
      el("h3", {}, name), schema.description ? el("p", {}, ...prose(schema.description)) : null, schemaView(schema))));
  document.getElementById("find").addEventListener("input", ({ target }) => filter(target.value.trim().toLowerCase()));
  openFromAddress();
  window.addEventListener("hashchange", openFromAddress);
}

function listed(root, tag) {
  return Object.entries(root.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]?.tags.includes(tag))
      .map((method) => ({ method, path, operation: methods[method] })));
}

/** Its inside is made when it is first opened: forty forms at once help nobody. */
function entry({ method, path, operation }, root) {
  const node = el("details", { class: "operation card", id: operation.operationId },
    el("summary", {},
      el("span", { class: "method", "data-method": method }, method.toUpperCase()),
      el("code", { class: "path" }, path),
      el("span", { class: "summary" }, operation.summary)));
  node.addEventListener("toggle", () => {
    if (node.open && node.children.length === 1) node.append(inside(method, path, operation, root));
  });
  entries.push({ node, words: `${method} ${path} ${operation.summary} ${operation.description ?? ""}`.toLowerCase() });
  return node;
}

function inside(method, path, operation, root) {
  const token = () => document.getElementById("bearer").value.trim();
  return el("div", { class: "inside" },
    operation.description ? el("p", {}, ...prose(operation.description)) : null,
    el("p", { class: "small muted" }, access(operation.security ?? root.security)),
    ...parameters(operation.parameters),
    ...Object.entries(operation.requestBody?.content ?? {}).flatMap(([type, { schema }]) =>
      [el("h3", {}, "Request body ", el("code", {}, type)), schemaView(schema)]),
    el("h3", {}, "Answers"),
    el("ul", { class: "answers" }, ...Object.entries(operation.responses).map(([code, response]) =>
      answer(code, resolved(response, root)))),
    el("h3", {}, "Try it"),
    tryItForm({ method, path, operation, root, token }));
}

function access(security) {
  const names = security.map((it) => Object.keys(it)[0]);
  if (names.length === 0) return "No authentication.";
  if (names.includes("twilio")) return "Signed by the phone provider.";
  return names.includes(undefined) ? "A token or session only where the server asks for one." : "Needs a token or a session.";
}

function parameters(list) {
  if (!list?.length) return [];
  return [el("h3", {}, "Parameters"), el("dl", { class: "properties" }, ...list.flatMap((it) => [
    el("dt", {}, el("code", {}, it.name), el("span", { class: "type" }, ` in ${it.in}`),
      it.required ? el("b", { class: "required" }, " required") : null),
    el("dd", {}, ...prose(it.description)),
  ]))];
}

function answer(code, { description, content }) {
  const [type, media] = Object.entries(content ?? {})[0] ?? [];
  return el("li", {}, el("b", {}, code), " ", ...prose(description),
    type ? el("span", { class: "type" }, ` ${type}`) : null,
    media?.schema && type.includes("json") && !type.includes("problem") ? schemaView(media.schema) : null);
}

function filter(text) {
  let count = 0;
  for (const { node, words } of entries) {
    node.hidden = !words.includes(text);
    if (!node.hidden) count += 1;
  }
  for (const section of operations.children) section.hidden = !section.querySelector(".operation:not([hidden])");
  found.textContent = text ? `${count} of ${entries.length} operations` : "";
}

function openFromAddress() {
  const node = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (node?.matches("details")) node.open = true;
  if (node) node.scrollIntoView();
}
