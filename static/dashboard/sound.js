// Two soft tones for what must not be missed. Off until someone switches them on: browsers want a
// click first, and a night shift wants to be asked.

let context = null;

/** Binds the switch. */
export function soundSwitch(button) {
  button.addEventListener("click", async () => {
    if (context) {
      context.close();
      context = null;
    } else {
      context = new AudioContext();
      await context.resume();
      beep();
    }
    button.setAttribute("aria-pressed", String(context !== null));
    button.textContent = context ? "Sound on" : "Sound off";
  });
}

/** Plays when the switch is on, otherwise does nothing. */
export function beep() {
  if (!context) return;
  tone(660, 0);
  tone(880, 0.18);
}

function tone(hertz, afterS) {
  const start = context.currentTime + afterS;
  const source = context.createOscillator();
  const volume = context.createGain();
  source.frequency.value = hertz;
  volume.gain.setValueAtTime(0, start);
  volume.gain.linearRampToValueAtTime(0.25, start + 0.02);
  volume.gain.exponentialRampToValueAtTime(0.001, start + 0.3);
  source.connect(volume).connect(context.destination);
  source.start(start);
  source.stop(start + 0.32);
}
