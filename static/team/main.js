// The team page's wiring: numbers from the server, news from the board's stream, and what was last
// known where there is no server.
//
// # Promises
// - A run shows within a second of being recorded: the stream tells of it, and the numbers are asked
//   for again, once for a burst. What other machines record is asked for every few seconds.
// - Old numbers never look new: without the server a banner says how old they are. They are kept in
//   this browser, so that a page which is opened while the server cannot answer still shows them.

import { get } from "/static/shared/api.js";
import { announce } from "/static/shared/announce.js";
import { arrange, el, setText } from "/static/shared/dom.js";
import { LiveStream } from "/static/shared/live-stream.js";
import { durationWords, parseTime, serverNow, setServerTime } from "/static/shared/time.js";
import { ago, dayText, hoursText, NUMBER, percentText } from "/static/team/words.js";
import "/static/team/live-state.js";
import "/static/team/runs-chart.js";

const KEPT = "aurora.team";
/** A burst of runs is one question, and where work never ends there is one every other second. */
const GATHER_MS = 300;
const LEAST_MS = 2_000;
/** The archive follows in a moment; so often a run that is not in it yet is asked for again. */
const TRIES = 4;
const RUNS_SHOWN = 12;
const SLOW_MS = 30_000;
/** No stream tells of what other machines do: so often it is asked for while somebody looks. */
const ELSEWHERE_MS = 5_000;

const form = document.getElementById("time");
const chart = document.querySelector("section runs-chart");
const connection = document.querySelector("live-state");
const rowsByUser = new Map();

let shown = null;
let latest = [];
let asked = 0;
let phase = "connecting";
let problem = null;
let gathering = null;
let askedMs = 0;
/** The latest run that the stream told of, until the server shows it. */
let awaited = null;
let tries = 0;

function days() {
  return new FormData(form).get("days");
}

/** Asks for numbers and runs; a later question goes before an earlier answer. */
async function ask() {
  const turn = ++asked;
  askedMs = Date.now();
  try {
    const [stats, page] = await Promise.all([
      get(`/api/team/stats?days=${days()}`),
      get(`/api/runs?limit=${RUNS_SHOWN}`),
    ]);
    if (turn !== asked) return;
    problem = null;
    setServerTime(stats.at);
    latest = page.runs;
    show(stats);
    keep({ stats, runs: latest });
    if (latest.some((it) => it.run_id === awaited)) awaited = null;
    if (awaited && ++tries < TRIES) askSoon();
  } catch (err) {
    if (turn !== asked) return;
    problem = err;
    tellAge();
  }
}

function askSoon() {
  gathering ??= setTimeout(() => {
    gathering = null;
    ask();
  }, Math.max(GATHER_MS, askedMs + LEAST_MS - Date.now()));
}

function keep(known) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(known));
  } catch {
    // Full, or not allowed: then nothing is known without an answer, which is said.
  }
}

function restore() {
  try {
    const { stats, runs } = JSON.parse(localStorage.getItem(KEPT) ?? "null") ?? {};
    if (!stats?.total) return;
    latest = runs ?? [];
    show(stats);
  } catch {
    localStorage.removeItem(KEPT);
  }
}

function show(stats) {
  shown = stats;
  const { total } = stats;
  const texts = {
    runs: NUMBER.format(total.runs),
    success_rate: percentText(total.success_rate),
    hours_saved: hoursText(total.hours_saved),
    lines_migrated: NUMBER.format(total.lines_migrated),
    last_activity: ago(total.last_activity),
  };
  for (const [name, text] of Object.entries(texts)) {
    setText(document.querySelector(`.totals [data-of="${name}"]`), text);
  }
  setText(document.getElementById("range"), `${dayText(stats.from)} to ${dayText(stats.to)}, in UTC`);
  chart.show(stats.series);
  document.querySelector("#days tbody").replaceChildren(...stats.series.toReversed()
    .filter((it) => it.runs > 0)
    .map((it) => el("tr", {}, el("th", { scope: "row" }, dayText(it.date)),
      number(NUMBER.format(it.runs)), number(NUMBER.format(it.success)), number(hoursText(it.hours_saved)))));
  arrange(document.getElementById("who"), stats.people.map(personRow));
  document.getElementById("none").hidden = stats.people.length > 0;
  arrange(document.getElementById("runs"), latest.map(runRow));
  tellAge();
}

function number(text) {
  return el("td", { class: "number" }, text);
}

function personRow(person) {
  let row = rowsByUser.get(person.user_id);
  if (!row) {
    row = el("tr", {}, el("th", { scope: "row" }, person.user_id),
      number(""), number(""), number(""), number(""), el("td", { class: "when" }),
      el("td", {}, document.createElement("runs-chart")));
    row.querySelector("runs-chart").toggleAttribute("small", true);
    rowsByUser.set(person.user_id, row);
  }
  const [, runs, rate, saved, lines, last] = row.children;
  setText(runs, NUMBER.format(person.runs));
  setText(rate, percentText(person.success_rate));
  setText(saved, hoursText(person.hours_saved));
  setText(lines, NUMBER.format(person.lines_migrated));
  setText(last, ago(person.last_activity));
  row.querySelector("runs-chart").show(person.series);
  return row;
}

const MARKS = { success: "✓", failed: "✗", interrupted: "◼" };
const SYNCS = { pending_sync: "not mirrored yet", failed: "refused by the mirror" };

function runRow(run) {
  // Without a mirror nothing waits for it.
  const sync = shown.elsewhere?.state === "off" ? null : SYNCS[run.sync_status];
  const facts = [durationWords(run.duration_seconds * 1000), ago(run.timestamp), sync];
  return el("li", { "data-status": run.status },
    el("span", { class: "status" }, el("span", { "aria-hidden": "true" }, MARKS[run.status] ?? ""), ` ${run.status}`),
    el("span", { class: "what" }, el("b", {}, run.slug), " ", run.command === run.slug ? "" : el("code", {}, run.command)),
    el("span", { class: "who small muted" }, [run.user_id, ...facts].filter(Boolean).join(" · ")));
}

/** Says how old everything is, and what others' is. */
function tellAge() {
  const old = document.getElementById("old");
  const isOld = problem !== null || phase !== "live";
  const sinceMs = shown ? serverNow() - (parseTime(shown.at) ?? 0) : null;
  const isSaid = problem !== null || (isOld && sinceMs !== null && sinceMs > 10_000);
  old.hidden = !isSaid;
  if (isSaid) {
    const why = problem?.status === 401 ? "You are not logged in any more. Reload the page to log in."
      : problem?.message ?? "Aurora cannot be reached.";
    setText(old, shown ? `${why} This is what was known ${durationWords(sinceMs)} ago.` : `${why} Nothing is known yet.`);
  }
  document.querySelector("main").toggleAttribute("data-old", isSaid);
  const { state, age_seconds: age } = shown?.elsewhere ?? {};
  const elsewhere = document.getElementById("elsewhere");
  elsewhere.hidden = state !== "old" && state !== "unknown";
  setText(elsewhere, state === "old"
    ? `The database cannot be read now: what other machines recorded is known as of ${durationWords(age * 1000)} ago.`
    : "What other machines recorded is not known yet.");
}

form.addEventListener("change", ask);
form.addEventListener("submit", (event) => event.preventDefault());
// A link or a reload shows the same time.
const wanted = new URLSearchParams(location.search).get("days");
const choice = form.querySelector(`input[value="${CSS.escape(wanted ?? "")}"]`);
if (choice) choice.checked = true;
form.addEventListener("change", () => history.replaceState(null, "", `?days=${days()}`));

restore();
new LiveStream("/api/stream", {
  events: ["run", "sync"],
  probe: "/api/sync",
  onEvent(name, data) {
    if (name === "initial" || name === "sync") return askSoon();
    if (name === "heartbeat") return setServerTime(data.timestamp);
    if (name !== "run") return;
    awaited = data.run_id;
    tries = 0;
    if (data.slug !== "call") announce(`${data.user_id}: ${data.slug}, ${data.status}.`);
    askSoon();
  },
  onStatus(status) {
    phase = status.phase;
    connection.show(status);
    tellAge();
  },
});
setInterval(() => {
  const isElsewhere = (shown?.elsewhere?.state ?? "off") !== "off";
  if (isElsewhere && phase === "live" && document.visibilityState === "visible") askSoon();
}, ELSEWHERE_MS);
setInterval(() => {
  // "3 min ago" grows older, whether or not anything else does.
  if (shown) show(shown);
  if (problem && phase === "live") ask();
}, SLOW_MS);
