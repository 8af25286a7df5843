// Requests to Aurora, and one way to say what went wrong.
//
// Errors arrive as `application/problem+json` (RFC 9457). Whatever happens (no network, a proxy's
// HTML page, a time-out), the caller of this module gets an ApiError with a sentence for a person.

/** A turn has at most 14 s on the server; the rest is for the network. */
const TIMEOUT_MS = 20_000;

export class ApiError extends Error {
  /**
   * @param {string} message a sentence for the reader
   * @param {{status?: number, code?: string, retryAfterS?: number}} facts
   *   `status` is 0 when no answer came at all
   */
  constructor(message, { status = 0, code = "unreachable", retryAfterS = null } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

/** GETs JSON. */
export function get(path) {
  return request(path, {});
}

/**
 * POSTs JSON (or nothing) and returns the answer's JSON, or `null` when it has none.
 * `timeoutMs`: for what the server may take longer for.
 */
export function post(path, body, { timeoutMs } = {}) {
  return send("POST", path, body, timeoutMs);
}

/** DELETEs; `body` says who does it. */
export function del(path, body) {
  return send("DELETE", path, body);
}

function send(method, path, body, timeoutMs) {
  if (body === undefined) return request(path, { method }, timeoutMs);
  const headers = { "Content-Type": "application/json" };
  return request(path, { method, headers, body: JSON.stringify(body) }, timeoutMs);
}

async function request(path, options, timeoutMs = TIMEOUT_MS) {
  let response;
  let text;
  try {
    response = await fetch(path, {
      ...options,
      headers: { Accept: "application/json, application/problem+json", ...options.headers },
      cache: "no-store",
      signal: AbortSignal.timeout(timeoutMs),
    });
    text = await response.text();
  } catch (err) {
    throw err.name === "TimeoutError"
      ? new ApiError(`The server did not answer within ${timeoutMs / 1000} s.`, { code: "timeout" })
      : new ApiError("The server cannot be reached.");
  }
  const json = parsed(text);
  if (!response.ok) throw problem(response, json);
  return json;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function problem(response, json) {
  const retryAfterS = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return new ApiError(json?.detail || json?.title || sentence(response.status), {
    status: response.status,
    code: typeof json?.type === "string" ? json.type.split("/").pop() : "unknown",
    retryAfterS: Number.isNaN(retryAfterS) ? null : retryAfterS,
  });
}

function sentence(status) {
  if (status === 401) return "You are not logged in.";
  if (status === 403) return "You may not do this.";
  if (status === 404) return "This is not there any more.";
  if (status === 429) return "Too many requests.";
  if (status >= 500) return `The server has a problem (${status}).`;
  return `The server refused this (${status}).`;
}
