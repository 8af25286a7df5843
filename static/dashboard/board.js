// What the board knows: active calls, recently ended ones, alerts, conflicts, mirror and disk health.
//
// # Promises
// - It holds what the stream said, in the stream's order, and nothing else. `initial` replaces it all:
//   what it does not name may have been erased meanwhile.
// - A call that was deleted or erased is gone from here at once.
// - Bounded: 50 ended calls, 200 alerts, 1,000 conflicts.
// - No DOM here: whoever shows something asks for it.

import { parseTime } from "/static/shared/time.js";
import { parseUrgency } from "/static/shared/urgency.js";

const ENDED_KEPT = 50;
const ALERTS_KEPT = 200;
const CONFLICTS_KEPT = 1000;

export class Board {
  calls = new Map();
  ended = [];
  alerts = new Map();
  /** Those that nobody settled, oldest first. */
  conflicts = new Map();
  sync = null;
  health = null;
  /** False until the first `initial`: an empty board is then not yet "no calls". */
  known = false;
  #byConversation = new Map();

  /**
   * Takes one event of `/api/stream`.
   * @returns {object|null} what is new to people: `{started, critical, ended, alert, conflict,
   *   gone}`; `gone` is the id of a call that was deleted or erased
   */
  apply(name, data) {
    switch (name) {
      case "initial": return this.#replace(data);
      case "call_started": return this.#start(data);
      case "call_updated": return this.#update(data);
      case "new_messages": return this.#hear(data);
      case "ended": return this.#end(data);
      case "alert": return this.#alert(data);
      case "alert_acknowledged": this.alerts.delete(data.alert_id); return null;
      case "conflict": return this.#conflict(data);
      case "conflict_settled": this.conflicts.delete(data.conflict_id); return null;
      case "sync": this.#mirror(data); return null;
      case "health": this.health = data; return null;
      case "call_erased": return this.#erase(data.call_id);
      default: return null;
    }
  }

  call(callId) {
    return this.calls.get(callId) ?? this.ended.find((it) => it.call_id === callId) ?? null;
  }

  counts() {
    const counts = { "": this.calls.size, CRITICAL: 0, URGENT: 0, NORMAL: 0 };
    for (const call of this.calls.values()) counts[call.urgency] += 1;
    return counts;
  }

  #replace(data) {
    this.known = true;
    this.calls = new Map();
    this.ended = [];
    this.#byConversation.clear();
    for (const raw of data.calls ?? []) this.#put(raw);
    this.alerts = new Map((data.alerts ?? []).map((it) => [it.alert_id, it]));
    this.conflicts = new Map((data.conflicts ?? []).map((it) => [it.conflict_id, it]));
    if (data.sync) this.#mirror(data.sync);
    this.health = data.health ?? null;
    return null;
  }

  #put(raw) {
    const call = { ...raw };
    call.urgency = parseUrgency(raw.urgency);
    call.startMs = parseTime(raw.timestamp);
    call.lastMs = parseTime(raw.last_message_at) ?? call.startMs;
    call.words = raw.last_message ?? null;
    call.waitingSinceMs = call.words?.role === "user"
      ? parseTime(call.words.timestamp) ?? call.lastMs : null;
    this.calls.set(call.call_id, call);
    this.#byConversation.set(call.conversation_id, call.call_id);
    return call;
  }

  #start(raw) {
    // An imported call was over before it came.
    if (raw.status === "ENDED") return null;
    const isNew = !this.calls.has(raw.call_id);
    const call = this.#put(raw);
    if (!isNew) return null;
    return { started: call, critical: call.urgency === "CRITICAL" ? call : null };
  }

  #update(changes) {
    if (changes.deleted_at) return this.#drop(changes.call_id);
    const call = this.calls.get(changes.call_id);
    if (!call) return this.#write(changes);
    const before = call.urgency;
    const { last_message: words, ...fields } = changes;
    for (const [key, value] of Object.entries(fields)) if (value !== undefined) call[key] = value;
    call.urgency = parseUrgency(call.urgency);
    call.lastMs = Math.max(parseTime(changes.last_message_at) ?? 0, call.lastMs ?? 0);
    if (words) this.#word(call, words);
    if (changes.status === "ENDED") return this.#end(changes);
    return { critical: before !== "CRITICAL" && call.urgency === "CRITICAL" ? call : null };
  }

  /** Of a call that is over, only what people write about it still changes. */
  #write({ call_id: callId, admin_notes: notes, final_action: action }) {
    const call = this.ended.find((it) => it.call_id === callId);
    if (call) Object.assign(call, notes === undefined ? {} : { admin_notes: notes }, action === undefined ? {} : { final_action: action });
    return null;
  }

  #hear({ call_id: callId, conversation_id: conversationId, messages }) {
    const call = this.calls.get(callId ?? this.#byConversation.get(conversationId));
    if (!call) return null;
    for (const message of messages ?? []) this.#word(call, message);
    this.#pending(call);
    return null;
  }

  /** The wait begins with the caller's first unanswered words: repeating them must not restart it. */
  #word(call, message) {
    const at = parseTime(message.timestamp) ?? call.lastMs;
    if (message.role === "system") return;
    if (message.role === "user") call.waitingSinceMs ??= at;
    else call.waitingSinceMs = null;
    call.words = message;
    call.lastMs = Math.max(at ?? 0, call.lastMs ?? 0);
  }

  #end(data) {
    const id = data.call_id ?? this.#byConversation.get(data.conversation_id);
    const call = this.calls.get(id);
    if (!call) return null;
    this.calls.delete(id);
    this.#byConversation.delete(call.conversation_id);
    this.#keepEnded({ ...call, status: "ENDED", reason: data.reason, endedMs: parseTime(data.timestamp) });
    return { ended: call };
  }

  #keepEnded(call) {
    this.ended = [call, ...this.ended.filter((it) => it.call_id !== call.call_id)].slice(0, ENDED_KEPT);
  }

  #drop(callId) {
    this.calls.delete(callId);
    this.ended = this.ended.filter((it) => it.call_id !== callId);
    for (const [id, it] of this.alerts) if (it.call_id === callId) this.alerts.delete(id);
    return { gone: callId };
  }

  #erase(callId) {
    for (const [id, it] of this.conflicts) if (it.call_id === callId) this.conflicts.delete(id);
    return this.#drop(callId);
  }

  #alert(data) {
    const isNew = !this.alerts.has(data.alert_id);
    this.alerts.set(data.alert_id, data);
    if (this.alerts.size > ALERTS_KEPT) this.alerts.delete(this.alerts.keys().next().value);
    return isNew ? { alert: data } : null;
  }

  #conflict(data) {
    const isNew = !this.conflicts.has(data.conflict_id);
    this.conflicts.set(data.conflict_id, data);
    if (this.conflicts.size > CONFLICTS_KEPT) this.conflicts.delete(this.conflicts.keys().next().value);
    return isNew ? { conflict: data } : null;
  }

  /**
   * Events come in order, so at "synced" everything that was told before has arrived there, except
   * what was refused: its path names the call or the conversation.
   */
  #mirror(sync) {
    this.sync = { ...this.sync, ...sync };
    const refused = new Set((this.sync.failed ?? []).map((it) => String(it.path).split("/")[1]));
    for (const call of this.calls.values()) {
      if (refused.has(call.call_id) || refused.has(call.conversation_id)) call.sync_status = "failed";
      else if (call.sync_status === "failed") call.sync_status = "pending_sync";
      if (this.sync.state === "synced" && call.sync_status === "pending_sync") call.sync_status = "synced";
    }
  }

  #pending(call) {
    if (call.sync_status === "synced") call.sync_status = "pending_sync";
  }
}
