// Who may do what by firebase/database.rules.json, tried on an evaluator of such rules: no network,
// no emulator. Each case is one request and whether it is allowed.
//
// Usage: node rules.mjs
// Environment: TEST_NODE, the folder that holds node_modules; default target/test-node.
// Exit code: 0 when every case is as it should be, 1 when one is not.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const require = createRequire(join(process.env.TEST_NODE ?? here("../../target/test-node"), "/"));
const targaryen = require("targaryen");

const NOW = Date.parse("2026-11-21T12:00:00.000Z");
const AT = "2026-11-21T12:00:00.000Z";
const OPEN = "call_01JD0000000000000000000001";
const OVER = "call_01JD0000000000000000000002";
const HELD = "call_01JD0000000000000000000003";
const PUSH = "-OAbcdefghijklmnopq_";

const entry = (fields) => ({
  mobile_no: "+15550100", urgency: "URGENT", status: "ACTIVE", last_message_at: "2026-11-21T11:59:00.000Z",
  updated_at: NOW - 60_000, updated_by: "aurora:local", mirrored: { status: "ACTIVE", urgency: "1:URGENT" },
  ...fields,
});
const DATA = {
  active_calls: {
    [OPEN]: entry({}),
    [OVER]: entry({ status: "ENDED" }),
    [HELD]: entry({ status: "ENDED", legal_hold: true }),
  },
  active_conversations: {
    [conversation(OPEN)]: { call_id: OPEN, messages: { msg_000001: { role: "user", content: "Fire" } } },
    [conversation(OVER)]: { call_id: OVER },
  },
  aurora: { mirror: { local: { seq: 7 } } },
  config: { features: { realtime_sync: { enabled: true, percentage: 25 } } },
  users: { kim: { runs: {} } },
};

const NOBODY = null;
const USER = { uid: "kim", token: {} };
const SUPERVISOR = { uid: "u1", token: { supervisor: true, supervisor_name: "Mira" } };
const PLAIN = { uid: "u2", token: { supervisor: true } };

const rules = JSON.parse(readFileSync(here("../../firebase/database.rules.json"), "utf8"));
const database = targaryen.database(rules, DATA, NOW);

function conversation(call) {
  return call.replace("call_", "conv_");
}

/** An edit as another dashboard makes it: the values, who did it, and the database's time. */
function edit(call, values, { by = "Mira", at = NOW } = {}) {
  const paths = Object.entries({ ...values, updated_by: by, updated_at: at });
  return Object.fromEntries(paths.map(([name, value]) => [`active_calls/${call}/${name}`, value]));
}

function words(call, message, { key = PUSH, moved = AT } = {}) {
  return {
    [`active_conversations/${conversation(call)}/messages/${key}`]: message,
    ...(moved ? { [`active_calls/${call}/last_message_at`]: moved } : {}),
  };
}

const HELP = { role: "admin", content: "Help is on the way" };
const RUN = { timestamp: AT, slug: "call", command: "answer", status: "success", duration_seconds: 6 };

let failed = 0;
let tried = 0;

function told(what, isAllowed, wanted) {
  tried += 1;
  if (isAllowed === wanted) return;
  failed += 1;
  console.error(`FAILED ${what}: ${isAllowed ? "allowed" : "refused"}`);
}

function reads(who, path, wanted) {
  told(`${who?.uid ?? "nobody"} reads ${path}`, database.as(who).read(path).allowed, wanted);
}

function updates(what, who, patch, wanted) {
  told(`${who?.uid ?? "nobody"}: ${what}`, database.as(who).update("/", patch, { now: NOW }).allowed, wanted);
}

// Who reads what.
for (const path of ["/active_calls", `/active_calls/${OPEN}`, "/active_conversations", `/active_conversations/${conversation(OPEN)}/messages`]) {
  reads(SUPERVISOR, path, true);
  reads(USER, path, false);
  reads(NOBODY, path, false);
}
for (const path of ["/", "/users", "/aurora/mirror/local", "/config", "/anything"]) {
  for (const who of [SUPERVISOR, USER, NOBODY]) reads(who, path, false);
}
reads(USER, "/users/kim", true);
reads(SUPERVISOR, "/users/kim", false);
reads(NOBODY, "/users/kim", false);

// Supervisors change exactly the contested values, and say who and when.
const EDITS = [
  ["takes over", { admin_id: "Mira", status: "TAKEOVER" }],
  ["takes over without saying so twice", { admin_id: "Mira" }],
  ["gives back", { admin_id: null, status: "ACTIVE" }],
  ["raises", { urgency: "CRITICAL" }],
  ["lowers", { urgency: "NORMAL" }],
  ["writes notes", { admin_notes: "Two people.\nHall 3." }],
  ["takes notes away", { admin_notes: null }],
  ["writes what was done", { final_action: "Ambulance sent" }],
  ["ends", { status: "ENDED" }],
];
for (const [what, values] of EDITS) {
  updates(what, SUPERVISOR, edit(OPEN, values), true);
  updates(`${what}, as no supervisor`, USER, edit(OPEN, values, { by: "kim" }), false);
  updates(`${what}, not logged in`, NOBODY, edit(OPEN, values), false);
  updates(`${what}, by a clock of their own`, SUPERVISOR, edit(OPEN, values, { at: NOW + 60_000 }), false);
  updates(`${what}, in somebody else's name`, SUPERVISOR, edit(OPEN, values, { by: "Kim" }), false);
  updates(`${what}, in our name`, SUPERVISOR, edit(OPEN, values, { by: "aurora:local" }), false);
  const bare = Object.fromEntries(Object.entries(values).map(([name, value]) => [`active_calls/${OPEN}/${name}`, value]));
  updates(`${what}, without saying who`, SUPERVISOR, bare, false);
  updates(`${what}, of a call that is not there`, SUPERVISOR, edit("call_01JD0000000000000000000009", values), false);
}
updates("writes notes under the uid", PLAIN, edit(OPEN, { admin_notes: "x" }, { by: "u2" }), true);
updates("writes notes under a name that nobody gave", PLAIN, edit(OPEN, { admin_notes: "x" }, { by: "Mira" }), false);

// Of the right type and size.
for (const [what, values] of [
  ["gives the call to somebody else", { admin_id: "Kim", status: "TAKEOVER" }],
  ["holds it under a number", { admin_id: 7 }],
  ["holds it under no name", { status: "TAKEOVER" }],
  ["invents an urgency", { urgency: "FATAL" }],
  ["takes the urgency away", { urgency: null }],
  ["invents a status", { status: "GONE" }],
  ["takes the status away", { status: null }],
  ["writes a map", { admin_notes: { a: "b" } }],
  ["writes a number", { final_action: 7 }],
  ["writes too much", { admin_notes: "x".repeat(4_001) }],
  ["writes nothing as a text", { admin_notes: "" }],
  ["deletes a call that goes on", { deleted_at: AT }],
]) updates(what, SUPERVISOR, edit(OPEN, values), false);
updates("writes as much as fits", SUPERVISOR, edit(OPEN, { admin_notes: "x".repeat(4_000) }), true);

// Calls that are over.
updates("deletes", SUPERVISOR, edit(OVER, { deleted_at: AT }), true);
updates("deletes by the database's clock", SUPERVISOR, edit(OVER, { deleted_at: NOW }), true);
updates("restores", SUPERVISOR, edit(OVER, { deleted_at: null }), true);
updates("deletes with a word", SUPERVISOR, edit(OVER, { deleted_at: "yes" }), false);
updates("deletes what is on hold", SUPERVISOR, edit(HELD, { deleted_at: AT }), false);
updates("restores what is on hold", SUPERVISOR, edit(HELD, { deleted_at: null }), true);
updates("writes notes about it", SUPERVISOR, edit(OVER, { admin_notes: "False alarm" }), true);
updates("takes it over", SUPERVISOR, edit(OVER, { admin_id: "Mira" }), false);
updates("opens it again", SUPERVISOR, edit(OVER, { status: "ACTIVE" }), false);
updates("rates it", SUPERVISOR, edit(OVER, { urgency: "NORMAL" }), false);

// Nothing else of a call.
for (const [name, value] of [
  ["mobile_no", "+1"], ["legal_hold", false], ["mirrored", {}], ["mirrored/urgency", "9:NORMAL"],
  ["ended_at", AT], ["conversation_id", "x"], ["worker_id", "x"], ["anything", 1],
]) updates(`changes ${name}`, SUPERVISOR, edit(OPEN, { [name]: value }), false);
updates("removes a call", SUPERVISOR, { [`active_calls/${OPEN}`]: null }, false);
updates("makes a call", SUPERVISOR, { "active_calls/call_new": entry({}) }, false);
updates("removes all calls", SUPERVISOR, { active_calls: null }, false);

// Words to the caller.
updates("speaks", SUPERVISOR, words(OPEN, HELP), true);
updates("speaks with a time", SUPERVISOR, words(OPEN, { ...HELP, timestamp: AT }), true);
updates("speaks by the database's clock", SUPERVISOR, words(OPEN, HELP, { moved: NOW }), true);
updates("speaks by another clock", SUPERVISOR, words(OPEN, HELP, { moved: NOW - 1 }), false);
updates("says who speaks", SUPERVISOR, words(OPEN, { ...HELP, admin_id: "Mira" }), true);
updates("says who speaks by the uid", PLAIN, words(OPEN, { ...HELP, admin_id: "u2" }), true);
updates("speaks in another's name", SUPERVISOR, words(OPEN, { ...HELP, admin_id: "Kim" }), false);
updates("speaks as no supervisor", USER, words(OPEN, HELP), false);
updates("speaks and nobody is told", SUPERVISOR, words(OPEN, HELP, { moved: null }), false);
updates("speaks in the past", SUPERVISOR, words(OPEN, HELP, { moved: "2026-11-21T11:00:00.000Z" }), false);
updates("speaks in a call that is over", SUPERVISOR, words(OVER, HELP), false);
updates("speaks as the assistant", SUPERVISOR, words(OPEN, { ...HELP, role: "assistant" }), false);
updates("says nothing", SUPERVISOR, words(OPEN, { role: "admin", content: "" }), false);
updates("says too much", SUPERVISOR, words(OPEN, { role: "admin", content: "x".repeat(4_001) }), false);
updates("adds a field", SUPERVISOR, words(OPEN, { ...HELP, answered_by: "model" }), false);
updates("changes what was said", SUPERVISOR, words(OPEN, HELP, { key: "msg_000001" }), false);
updates("takes one of our places", SUPERVISOR, words(OPEN, HELP, { key: "msg_000002" }), false);
updates("takes words back", SUPERVISOR, words(OPEN, null, { key: "msg_000001" }), false);

// Each user their own runs.
const run = (uid, value) => ({ [`users/${uid}/runs/run_01JD0000000000000000000001`]: value });
updates("records a run", USER, run("kim", RUN), true);
updates("records a run with all that it may have", USER, run("kim", { ...RUN, automation_seconds: 1.5, lines_migrated: 3, manual_estimate_seconds: 60, report_path: "out.html", call_id: OVER }), true);
updates("removes a run", USER, run("kim", null), true);
updates("records a run of somebody else", USER, run("lee", RUN), false);
updates("records a run of somebody else as a supervisor", SUPERVISOR, run("kim", RUN), false);
updates("records a run unknown to us", NOBODY, run("kim", RUN), false);
updates("records half a run", USER, run("kim", { slug: "x" }), false);
updates("records a run of less than no time", USER, run("kim", { ...RUN, duration_seconds: -1 }), false);
updates("invents an end", USER, run("kim", { ...RUN, status: "fine" }), false);
updates("adds a field to a run", USER, run("kim", { ...RUN, note: "x" }), false);
updates("keeps something else there", USER, { "users/kim/photos": "x" }, false);

// And nobody anything else.
for (const who of [SUPERVISOR, USER, NOBODY]) {
  for (const path of ["aurora/mirror/local/seq", "config/features/realtime_sync/percentage", "anything", "users"]) {
    updates(`writes ${path}`, who, { [path]: 1 }, false);
  }
}

console.log(`${tried} cases, ${failed} not as they should be`);
process.exitCode = failed > 0 || tried < 150 ? 1 : 0;
