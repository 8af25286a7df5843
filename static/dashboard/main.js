// The dashboard's wiring: one stream fills the board, the parts of the page draw from it.

import { post } from "/static/shared/api.js";
import { announce } from "/static/shared/announce.js";
import { nameButton } from "/static/shared/dialogs.js";
import { oncePerFrame, setText } from "/static/shared/dom.js";
import { LiveStream } from "/static/shared/live-stream.js";
import { setServerTime } from "/static/shared/time.js";
import { Board } from "/static/dashboard/board.js";
import { beep, soundSwitch } from "/static/dashboard/sound.js";
import { alertTitle } from "/static/dashboard/alert-strip.js";
import "/static/dashboard/call-list.js";
import "/static/dashboard/call-panel.js";
import { fieldText, valueText } from "/static/dashboard/conflict-list.js";
import "/static/dashboard/connection-state.js";
import "/static/dashboard/mirror-state.js";

/** The stream tells about the mirror; this is for a stream that has been silent about it. */
const ASK_MIRROR_MS = 60_000;

const board = new Board();
const list = document.querySelector("call-list");
const panel = document.querySelector("call-panel");
const alerts = document.querySelector("alert-strip");
const conflicts = document.querySelector("conflict-list");
const connection = document.querySelector("connection-state");
const mirror = document.querySelector("mirror-state");
const health = document.getElementById("health");
list.board = panel.board = alerts.board = conflicts.board = board;

let mirrorToldMs = 0;

const stream = new LiveStream("/api/stream", {
  events: ["call_started", "call_updated", "new_messages", "ended", "alert", "alert_acknowledged",
    "sync", "health", "conflict", "conflict_settled", "gap", "call_erased"],
  probe: "/api/sync",
  onEvent(name, data) {
    if (name === "heartbeat") return setServerTime(data.timestamp);
    const news = board.apply(name, data);
    if (name === "sync" || data.sync) mirrorToldMs = Date.now();
    tell(news);
    // At once: a hidden tab draws nothing, but its title is read.
    connection.showCritical(board.counts().CRITICAL);
    draw();
  },
  onStatus(status) {
    const was = connection.stale;
    connection.show(status);
    list.stale = status.stale;
    if (was && !status.stale) announce("Live again.");
  },
});

const draw = oncePerFrame(() => {
  list.refresh();
  alerts.refresh();
  conflicts.refresh();
  panel.refresh();
  mirror.show(board.sync);
  const failing = board.health?.durable === false;
  const unarchived = board.health?.archive;
  const unsaved = board.health?.checkpoint;
  health.hidden = !failing && !unarchived && !unsaved;
  setText(health, failing
    ? `What is said now is not safe on disk: ${board.health.detail || "the journal cannot be written"}.`
    : unarchived ? `The archive does not follow, calls are answered: ${unarchived}.`
    : unsaved ? `total.json cannot be written, calls are answered: ${unsaved}.` : "");
});

/** Says new things to people who do not look at the page. */
function tell(news) {
  if (!news) return;
  const { started, critical, ended, alert, conflict, gone } = news;
  if (critical) announce(`Critical call from ${critical.mobile_no}.`, "assertive");
  else if (started) announce(`New call, ${started.urgency.toLowerCase()}, from ${started.mobile_no}.`);
  if (alert) announce(`${alertTitle(alert)}. ${alert.detail ?? ""}`, "assertive");
  if (conflict) {
    const { field, kept, lost } = conflict;
    announce(`Changed on both sides: ${fieldText(field)}. Kept: ${valueText(field, kept)}. Not kept: ${valueText(field, lost)}.`);
  }
  if (ended) announce(`Call from ${ended.mobile_no} ended.`);
  if (critical || alert) beep();
  if (gone && gone === panel.callId) {
    history.replaceState(null, "", location.pathname);
    choose(null);
    announce("The call that was open here has been deleted.", "assertive");
  }
}

/** The address names the chosen call, so that it survives a reload and "back" works. */
function choose(callId, { focus = false } = {}) {
  const before = panel.callId;
  panel.choose(callId);
  list.chosenId = callId;
  document.body.toggleAttribute("data-chosen", callId !== null);
  list.refresh();
  if (!focus) return;
  if (callId) document.getElementById("call-title").focus();
  else list.querySelector(`[data-call="${CSS.escape(before ?? "")}"] .open`)?.focus();
}

function chosenInAddress() {
  const id = decodeURIComponent(location.hash.slice(1));
  return id.startsWith("call_") ? id : null;
}

document.addEventListener("choose", ({ detail }) => {
  if (detail === panel.callId) return choose(detail, { focus: true });
  history.pushState(null, "", detail ? `#${encodeURIComponent(detail)}` : location.pathname);
  choose(detail, { focus: true });
});
window.addEventListener("popstate", () => choose(chosenInAddress(), { focus: true }));

nameButton(document.getElementById("rename"), () => panel.refresh());

document.getElementById("logout").addEventListener("click", async () => {
  try {
    await post("/logout");
    stream.close();
    location.assign("/login");
  } catch (err) {
    announce(`Not logged out: ${err.message}`, "assertive");
  }
});

soundSwitch(document.getElementById("sound"));
mirror.addEventListener("sync-told", ({ detail }) => {
  mirrorToldMs = Date.now();
  board.apply("sync", detail);
  draw();
});
setInterval(() => {
  list.tick();
  if (!connection.stale) panel.tick();
}, 1000);
setInterval(async () => {
  if (document.hidden || connection.stale || Date.now() - mirrorToldMs < ASK_MIRROR_MS) return;
  const sync = await mirror.ask();
  if (sync) { board.apply("sync", sync); mirror.show(board.sync); }
}, ASK_MIRROR_MS);
choose(chosenInAddress());
