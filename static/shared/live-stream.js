// A server-sent event stream that knows whether it is live.
//
// # Promises
// - Stale data never looks live: 20 s without a sign of life (a heartbeat comes every 15 s), or a
//   connection that has been broken for 5 s, is reported as stale, with the time of the last sign.
// - It comes back by itself: the browser reconnects after a dropped connection and resumes with
//   Last-Event-ID; after an answer that closes an EventSource for good (401, 503, ...) or a
//   connection that hangs, this class opens a new one, with back-off, and gets a fresh `initial`.
// - It says why: a new connection is preceded by a question to `probe`, because an EventSource
//   cannot see a status code.

/** Silence after which nothing may look live any more. */
const SILENCE_MS = 20_000;
/** A broken connection is given this long to come back before the page turns grey. */
const BROKEN_MS = 5_000;
const TICK_MS = 1_000;
const BACK_OFF_MAX_MS = 15_000;

export class LiveStream {
  /**
   * @param {string} url
   * @param {object} options
   * @param {string[]} options.events names to listen for, besides `initial`, `heartbeat`, `error`
   * @param {(name: string, data: any) => void} options.onEvent
   * @param {(status: Status) => void} options.onStatus called on every change and every second
   *   of staleness
   * @param {string} options.probe address that answers with a status code
   *
   * @typedef {{phase: "connecting"|"live"|"reconnecting"|"offline"|"signed-out"|"gone",
   *   sinceMs: number, stale: boolean}} Status `sinceMs` is when data last arrived
   */
  constructor(url, { events, onEvent, onStatus, probe }) {
    this.url = url;
    this.events = ["initial", "heartbeat", ...events];
    this.onEvent = onEvent;
    this.onStatus = onStatus;
    this.probe = probe;
    this.attempt = 0;
    this.everLive = false;
    this.ended = null;
    this.told = "";
    this.stale = false;
    this.brokenAt = null;
    this.seenMs = Date.now();
    this.abort = new AbortController();
    const { signal } = this.abort;
    const look = () => this.check();
    document.addEventListener("visibilitychange", look, { signal });
    window.addEventListener("offline", look, { signal });
    window.addEventListener("online", () => this.isHealthy() || this.open(), { signal });
    this.timer = setInterval(look, TICK_MS);
    this.sign();
    this.open();
  }

  /** Stops for good. */
  close() {
    this.abort.abort();
    clearInterval(this.timer);
    clearTimeout(this.retry);
    this.source?.close();
    this.source = null;
    this.ended ??= "gone";
  }

  open() {
    if (this.ended) return;
    clearTimeout(this.retry);
    this.source?.close();
    this.ready = false;
    this.openedAt = Date.now();
    const source = new EventSource(this.url);
    this.source = source;
    source.onopen = () => {
      if (source !== this.source) return;
      this.sign();
      this.brokenAt = null;
      // Resumed by the browser: what was missed follows at once. A new one waits for `initial`.
      if (this.ready) this.seenMs = Date.now();
      this.check();
    };
    for (const name of this.events) {
      source.addEventListener(name, (event) => this.source === source && this.receive(event));
    }
    // The server's own event named `error` comes over an open connection. Whether the browser's
    // has `data` differs between browsers; that its connection is not open is certain.
    source.addEventListener("error", (event) => {
      if (this.source !== source) return;
      if (source.readyState === EventSource.OPEN && event.data) this.receive(event);
      else this.broke(source);
    });
    this.check();
  }

  receive(event) {
    this.sign();
    this.seenMs = Date.now();
    this.brokenAt = null;
    this.attempt = 0;
    if (event.type === "initial") this.ready = true;
    let data;
    try {
      data = JSON.parse(event.data);
    } catch {
      console.warn(`A "${event.type}" event is not JSON.`);
      return;
    }
    this.onEvent(event.type, data);
    this.check();
  }

  broke(source) {
    this.brokenAt ??= Date.now();
    if (source.readyState === EventSource.CLOSED) this.reopenLater();
    this.check();
  }

  /** After an answer that closed the EventSource: ask why, then try again. */
  async reopenLater() {
    const status = await this.askWhy();
    if (this.ended) return;
    if (status === 401 || status === 403) return this.finish("signed-out");
    if (status === 404) return this.finish("gone");
    const limit = Math.min(BACK_OFF_MAX_MS, 1000 * 2 ** this.attempt++);
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.open(), limit / 2 + Math.random() * (limit / 2));
  }

  async askWhy() {
    try {
      const signal = AbortSignal.timeout(SILENCE_MS);
      const response = await fetch(this.probe, { cache: "no-store", signal });
      // The probe may be the stream itself: only its status is wanted.
      await response.body?.cancel();
      return response.status;
    } catch {
      return 0;
    }
  }

  finish(phase) {
    this.ended = phase;
    clearTimeout(this.retry);
    this.source?.close();
    this.check();
  }

  sign() {
    this.wallMs = Date.now();
    this.steadyMs = performance.now();
  }

  /** The larger of two clocks: one stands still while a laptop sleeps, the other may be set back. */
  silenceMs() {
    return Math.max(Date.now() - this.wallMs, performance.now() - this.steadyMs);
  }

  isHealthy() {
    return this.ready && this.brokenAt === null && this.silenceMs() < SILENCE_MS;
  }

  check() {
    const silent = this.silenceMs() >= SILENCE_MS;
    // Silent, or open without ever saying what there is: this connection is given up.
    const hopeless = silent || !this.ready;
    if (!this.ended && hopeless && Date.now() - this.openedAt >= SILENCE_MS) {
      this.openedAt = Date.now();
      this.brokenAt ??= Date.now();
      this.open();
      return;
    }
    const brokenMs = this.brokenAt ? Date.now() - this.brokenAt : 0;
    const phase = this.phase();
    if (phase === "live") this.everLive = true;
    const late = silent || brokenMs >= BROKEN_MS || this.ended !== null;
    // Once stale, stale until live: a connection without data refreshes nothing.
    this.stale = phase !== "live" && (this.stale || late);
    const told = `${phase} ${this.stale}`;
    if (told !== this.told || this.stale) {
      this.told = told;
      this.onStatus({ phase, sinceMs: this.seenMs, stale: this.stale });
    }
  }

  phase() {
    if (this.ended) return this.ended;
    if (this.isHealthy()) return "live";
    if (!navigator.onLine && this.brokenAt) return "offline";
    return this.everLive || this.brokenAt ? "reconnecting" : "connecting";
  }
}
