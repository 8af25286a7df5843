// Questions to the reader: one `<dialog id="ask">` for a yes or no, one `<dialog id="name">` for
// the supervisor's name. Esc and Cancel both mean no; the focus starts on the harmless answer.

import { setText } from "/static/shared/dom.js";

const NAME_KEY = "aurora.supervisor";

/** Asks for a yes. @returns {Promise<boolean>} */
export async function confirmed({ title, text, yes }) {
  const dialog = document.getElementById("ask");
  dialog.querySelector("h2").textContent = title;
  dialog.querySelector("p").textContent = text;
  dialog.querySelector("[value=yes]").textContent = yes;
  return (await answer(dialog)) === "yes";
}

/** The name under which this supervisor acts, or `""`. */
export function supervisorName() {
  try {
    return localStorage.getItem(NAME_KEY) ?? "";
  } catch {
    return nameForThisPage;
  }
}

/** Used when the browser keeps nothing (private windows). */
let nameForThisPage = "";

/** Asks for the name. @returns {Promise<string>} the name, `""` when the reader changed their mind */
export async function askName() {
  const dialog = document.getElementById("name");
  const input = dialog.querySelector("input");
  input.value = supervisorName();
  if ((await answer(dialog)) !== "yes") return "";
  const name = input.value.trim();
  nameForThisPage = name;
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {
    // Kept for this page only.
  }
  return name;
}

/** The kept name, or asks for it once. */
export async function nameOrAsk() {
  return supervisorName() || askName();
}

/** Makes a button say under which name the reader acts, and change it; `onChange` is told. */
export function nameButton(button, onChange = () => {}) {
  const show = () => {
    const name = supervisorName();
    setText(button, name ? `You: ${name}` : "Set your name");
  };
  button.addEventListener("click", () => askName());
  // After whoever asked has kept the name.
  document.getElementById("name").addEventListener("close", () => setTimeout(() => { show(); onChange(); }));
  show();
}

function answer(dialog) {
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.querySelector(".cancel").onclick = () => dialog.close("");
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
    dialog.showModal();
  });
}
