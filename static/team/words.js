// Numbers and times of the team page, as people read them.

import { durationWords, parseTime, serverNow } from "/static/shared/time.js";

export const NUMBER = new Intl.NumberFormat();
const HOURS = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
const LONG_AGO_MS = 24 * 60 * 60 * 1000;

export function percentText(rate) {
  return rate === null || rate === undefined ? "–" : `${Math.round(rate * 100)} %`;
}

export function hoursText(hours) {
  return HOURS.format(hours);
}

/** `2026-11-20` as the reader's computer writes a day. */
export function dayText(date) {
  const ms = Date.parse(`${date}T00:00:00Z`);
  return Number.isNaN(ms) ? String(date) : DAY.format(ms);
}

/** `3 min ago`; after a day the date. */
export function ago(timestamp) {
  const ms = parseTime(timestamp);
  if (ms === null) return "–";
  const past = serverNow() - ms;
  if (past < 2_000) return "just now";
  if (past > LONG_AGO_MS) return DAY.format(ms);
  // A minute and some seconds ago is a minute ago.
  return `${past < 60_000 ? durationWords(past) : durationWords(past).replace(/ \d+ s$/, "")} ago`;
}
