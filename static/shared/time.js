// Times as people read them, by the server's clock.
//
// All timestamps are RFC 3339 in UTC. A laptop whose clock is wrong would show a caller who has
// waited for minus three minutes, so the heartbeat's time corrects it.

/** Below this the difference is more likely the network than the clock. */
const TRUSTED_SKEW_MS = 1500;

let skewMs = 0;

/** Compares this computer's clock with a time that the server has only just written. */
export function setServerTime(timestamp) {
  const server = Date.parse(timestamp);
  if (Number.isNaN(server)) return;
  const diff = server - Date.now();
  skewMs = Math.abs(diff) > TRUSTED_SKEW_MS ? diff : 0;
}

/** Now, in milliseconds, by the server's clock. */
export function serverNow() {
  return Date.now() + skewMs;
}

/** Milliseconds of a timestamp, or `null` when it is missing or not a time. */
export function parseTime(timestamp) {
  const ms = typeof timestamp === "string" ? Date.parse(timestamp) : NaN;
  return Number.isNaN(ms) ? null : ms;
}

/** `0:08`, `12:05`, `1:02:05`; a time in the future reads `0:00`. */
export function durationText(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const pad = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0
    ? `${hours}:${pad(minutes)}:${pad(seconds % 60)}`
    : `${minutes}:${pad(seconds % 60)}`;
}

/** The same in words for banners and screen readers: `8 s`, `12 min 5 s`, `1 h 2 min`. */
export function durationWords(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Local time of day, `14:03:22`. */
export function clockText(ms) {
  const time = new Date(ms);
  return [time.getHours(), time.getMinutes(), time.getSeconds()]
    .map((n) => String(n).padStart(2, "0"))
    .join(":");
}

const DATE_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Date and time as the reader's computer writes them; empty if it is no time. */
export function dateAndTime(timestamp) {
  const ms = parseTime(timestamp);
  return ms === null ? "" : DATE_AND_TIME.format(ms);
}

/** The time of day for what was today, else date and time. */
export function timeText(timestamp) {
  const ms = parseTime(timestamp);
  if (ms === null) return "";
  return new Date(ms).toDateString() === new Date(serverNow()).toDateString() ? clockText(ms) : dateAndTime(timestamp);
}
