// The browser's ears and mouth, where it has them. Both are optional: typing always works.

const Recognition = window.SpeechRecognition ?? window.webkitSpeechRecognition;

export const canListen = Boolean(Recognition);
export const canSpeak = "speechSynthesis" in window;

/** Listens until it is stopped; pauses while the page itself speaks, or it would hear itself. */
export class Ear {
  /**
   * @param {object} on
   * @param {(text: string) => void} on.interim what it believes so far
   * @param {(text: string, confidence: number) => void} on.words a finished utterance
   * @param {(reason: string) => void} on.stopped it had to stop by itself
   */
  constructor(on) {
    this.on = on;
    this.wanted = false;
    this.recognition = null;
  }

  start(language) {
    this.wanted = true;
    this.language = language;
    this.#listen();
  }

  stop() {
    this.wanted = false;
    this.recognition?.abort();
  }

  pause() {
    this.recognition?.abort();
  }

  resume() {
    if (this.wanted && !this.recognition) this.#listen();
  }

  #listen() {
    const recognition = new Recognition();
    this.recognition = recognition;
    recognition.interimResults = true;
    if (this.language) recognition.lang = this.language;
    recognition.onresult = ({ results, resultIndex }) => {
      for (const result of [...results].slice(resultIndex)) {
        const { transcript, confidence } = result[0];
        if (result.isFinal) this.on.words(transcript.trim(), confidence);
        else this.on.interim(transcript);
      }
    };
    recognition.onerror = ({ error }) => {
      if (error === "no-speech" || error === "aborted") return;
      this.wanted = false;
      this.on.stopped(REASONS[error] ?? `Speech recognition stopped (${error}).`);
    };
    recognition.onend = () => {
      this.recognition = null;
      if (this.wanted && !speaking()) this.#listen();
    };
    recognition.start();
  }
}

const REASONS = {
  "not-allowed": "The browser may not use the microphone. You can type instead.",
  "audio-capture": "No microphone was found. You can type instead.",
  network: "The browser's speech recognition cannot be reached. You can type instead.",
  "language-not-supported": "The browser does not recognise this language. You can type instead.",
};

/** Reads a text aloud; `done` is called when it is over, in whatever way. */
export function speak(text, language, done) {
  const utterance = new SpeechSynthesisUtterance(text);
  if (language) utterance.lang = language;
  utterance.onend = utterance.onerror = done;
  kept = utterance;
  speechSynthesis.speak(utterance);
}

/** Held here because Chromium forgets an utterance that nobody holds, and then never ends it. */
let kept = null;

export function hush() {
  kept = null;
  if (canSpeak) speechSynthesis.cancel();
}

function speaking() {
  return canSpeak && (speechSynthesis.speaking || speechSynthesis.pending);
}
