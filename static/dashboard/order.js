// Who comes first on the board, and what the filter lets through.
//
// The order: 1. urgency; 2. callers who wait for an answer, the longest wait first; 3. the others,
// the longest silence first; 4. the call's id, so that equal calls do not swap places.

import { urgencyRank } from "/static/shared/urgency.js";

/** The assistant answers well within this; a row would only jump up and down before. */
const ANSWER_USUAL_MS = 5_000;

/** How long the caller has waited for an answer to their last words; 0 when nobody waits. */
export function waitingMs(call, nowMs) {
  if (call.waitingSinceMs === null) return 0;
  const wait = nowMs - call.waitingSinceMs;
  return wait >= ANSWER_USUAL_MS ? wait : 0;
}

/** @returns {object[]} the calls that match, first the one that needs a person most */
export function inOrder(calls, filter, nowMs) {
  const matching = [];
  for (const call of calls) if (matches(call, filter)) matching.push(call);
  const wait = new Map(matching.map((it) => [it, waitingMs(it, nowMs)]));
  return matching.sort((a, b) =>
    urgencyRank(a.urgency) - urgencyRank(b.urgency)
    || wait.get(b) - wait.get(a)
    || (a.lastMs ?? 0) - (b.lastMs ?? 0)
    || (a.call_id < b.call_id ? -1 : 1));
}

/**
 * @param {{text: string, urgency: string}} filter `text` in lower case; `urgency` empty for all.
 *   A text of digits also finds a number that is written with blanks or dashes.
 */
export function matches(call, { text, urgency }) {
  if (urgency && call.urgency !== urgency) return false;
  if (!text) return true;
  const digits = text.replace(/[\s()+-]/g, "");
  if (/^\d+$/.test(digits) && digitsOf(call.mobile_no).includes(digits)) return true;
  return [call.mobile_no, call.words?.content, call.admin_id, call.call_id, call.status]
    .some((it) => typeof it === "string" && it.toLowerCase().includes(text));
}

function digitsOf(number) {
  return String(number ?? "").replace(/\D/g, "");
}
