// The form under an operation: fill in, send with fetch, read the answer. Event streams are read
// as they come, until the reader stops them.

import { el } from "/static/shared/dom.js";
import { exampleOf, resolved } from "/static/docs/schema.js";

/** More of an answer is not shown, in characters. */
const SHOWN = 100_000;

/** @param {{method: string, path: string, operation: object, root: object, token: () => string}} what */
export function tryItForm({ method, path, operation, root, token }) {
  const id = operation.operationId;
  const fields = (operation.parameters ?? []).map((it) => field(id, it));
  const body = bodyFields(id, operation.requestBody, root);
  const send = el("button", { class: "primary" }, "Send");
  const stop = el("button", { type: "button", hidden: true }, "Stop");
  const status = el("p", { class: "answer-status", role: "status" });
  const answer = el("pre", { class: "answer", tabindex: "0", "aria-label": "Answer", hidden: true });
  let abort = null;
  stop.addEventListener("click", () => abort?.abort());
  return el("form", {
    class: "try",
    "aria-label": `Try ${operation.summary}`,
    onsubmit: async (event) => {
      event.preventDefault();
      abort = new AbortController();
      send.disabled = true;
      stop.hidden = false;
      answer.hidden = true;
      status.textContent = "Waiting…";
      try {
        const { url, options } = request({ method, path, fields, body, token });
        await show(await fetch(url, { ...options, signal: abort.signal }), status, answer);
      } catch (err) {
        status.textContent = err.name === "AbortError" ? `${status.textContent} – stopped` : `No answer: ${err.message}`;
      } finally {
        send.disabled = false;
        stop.hidden = true;
      }
    },
  }, ...fields.map((it) => it.row), ...(body?.rows ?? []), el("p", { class: "send" }, send, " ", stop), status, answer);
}

function field(id, parameter) {
  const { name, required, schema } = parameter;
  const input = el("input", {
    id: `${id}-${name}`,
    required,
    type: schema?.format === "password" ? "password" : "text",
    autocomplete: "off",
    placeholder: schema?.default ?? null,
  });
  const row = el("p", {}, el("label", { for: input.id }, name, el("span", { class: "type" }, ` in ${parameter.in}`)), input);
  return { parameter, input, row };
}

function bodyFields(id, requestBody, root) {
  const contents = Object.entries(requestBody?.content ?? {});
  if (contents.length === 0) return null;
  const start = (type) => {
    const { example, schema } = requestBody.content[type];
    const value = example ?? exampleOf(schema, root);
    return type.includes("json") ? JSON.stringify(value, null, 2)
      : Object.keys(resolved(schema, root).properties).map((key) => `${key}=${value[key] ?? ""}`).join("\n");
  };
  const type = el("select", { id: `${id}-type` }, ...contents.map(([it]) => el("option", { value: it }, it)));
  const text = el("textarea", { id: `${id}-body`, rows: "5", spellcheck: "false" });
  text.value = start(type.value);
  type.addEventListener("change", () => { text.value = start(type.value); });
  return {
    type, text,
    rows: [
      el("p", {}, el("label", { for: type.id }, "Content type"), type),
      el("p", {}, el("label", { for: text.id }, "Body",
        el("span", { class: "type" }, " JSON; for a form one name=value a line")), text),
    ],
  };
}

function request({ method, path, fields, body, token }) {
  const query = new URLSearchParams();
  const headers = {};
  let url = path;
  for (const { parameter, input } of fields) {
    const value = input.value.trim();
    if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (value && parameter.in === "query") query.set(parameter.name, value);
    else if (value && parameter.in === "header") headers[parameter.name] = value;
  }
  if (token()) headers.Authorization = `Bearer ${token()}`;
  const options = { method: method.toUpperCase(), headers, cache: "no-store" };
  if (body) {
    headers["Content-Type"] = body.type.value;
    options.body = body.type.value.includes("json") ? body.text.value
      : new URLSearchParams(body.text.value.split("\n").filter(Boolean).map((line) => {
        const [name, ...value] = line.split("=");
        return [name, value.join("=")];
      })).toString();
  }
  return { url: query.size > 0 ? `${url}?${query}` : url, options };
}

async function show(response, status, answer) {
  const type = response.headers.get("Content-Type") ?? "";
  status.textContent = `${response.status} ${response.statusText} ${type}`.trim();
  if (type.includes("event-stream")) return showStream(response, answer);
  const text = await response.text();
  answer.textContent = pretty(text, type).slice(0, SHOWN);
  answer.hidden = text === "";
}

async function showStream(response, answer) {
  const decoder = new TextDecoder();
  answer.hidden = false;
  answer.textContent = "";
  for (const reader = response.body.getReader(); ;) {
    const { value, done } = await reader.read();
    if (done) return;
    answer.textContent = (answer.textContent + decoder.decode(value, { stream: true })).slice(-SHOWN);
    answer.scrollTop = answer.scrollHeight;
  }
}

function pretty(text, type) {
  if (!type.includes("json")) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
