// Shows a JSON schema as nested definition lists, and makes an example from one.

import { el } from "/static/shared/dom.js";

/** Follows a `$ref` inside the document. */
export function resolved(schema, root) {
  if (!schema?.$ref) return schema ?? {};
  return schema.$ref.slice(2).split("/").reduce((at, key) => at?.[key], root) ?? {};
}

/** The name of what a schema refers to, or its type: `Call`, `string`, `array of Message`. */
export function typeName(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.type === "array") return `array of ${typeName(schema.items ?? {})}`;
  if (schema.additionalProperties) return `object of ${typeName(schema.additionalProperties)} by id`;
  const type = [schema.type ?? "any"].flat().join(" or ");
  return schema.format ? `${type} (${schema.format})` : type;
}

/** Properties of an object schema, with links to the named objects. */
export function schemaView(schema) {
  const inner = schema.type === "array" ? schema.items ?? {} : schema;
  const named = inner.$ref ?? inner.additionalProperties?.$ref;
  if (named) {
    const name = named.split("/").pop();
    return el("p", {}, el("a", { href: `#schema-${name}` }, typeName(schema)));
  }
  const properties = Object.entries(inner.properties ?? {});
  if (properties.length === 0) return el("p", {}, el("code", {}, typeName(schema)), " ", ...prose(schema.description));
  return el("dl", { class: "properties" }, ...properties.flatMap(([name, it]) => [
    el("dt", {}, el("code", {}, name),
      el("span", { class: "type" }, ` ${typeName(it)}`),
      inner.required?.includes(name) ? el("b", { class: "required" }, " required") : null),
    el("dd", {}, ...prose(it.description), ...allowed(it), ...nested(it)),
  ]));
}

function allowed({ enum: values }) {
  return values ? [el("span", { class: "muted" }, ` One of ${values.join(", ")}.`)] : [];
}

function nested(schema) {
  const inner = schema.type === "array" ? schema.items ?? {} : schema;
  return inner.properties || inner.$ref || inner.additionalProperties?.$ref ? [schemaView(schema)] : [];
}

/** Text in which `code` stands between backticks. */
export function prose(text) {
  return (text ?? "").split("`").map((part, at) => at % 2 === 1 ? el("code", {}, part) : part);
}

/** A body to start from. */
export function exampleOf(schema, root) {
  const it = resolved(schema, root);
  if (it.examples?.length) return it.examples[0];
  if (it.enum) return it.enum[0];
  if (it.type === "object" || it.properties) {
    const names = it.required ?? Object.keys(it.properties ?? {});
    return Object.fromEntries(names.map((name) => [name, exampleOf(it.properties[name], root)]));
  }
  if (it.type === "array") return [];
  if (it.type === "integer" || it.type === "number") return 0;
  return it.type === "boolean" ? false : "";
}
