// Questions to the reader: one `<dialog id="ask">` for a yes or no, one `<dialog id="name">` for
// the supervisor's name, on any page that has a question. Esc and Cancel both mean no; the focus
// starts on the harmless answer.

import { el, setText } from "/static/shared/dom.js";

const NAME_KEY = "aurora.supervisor";

const ask = dialog("ask", { autofocus: "" }, el("button", { value: "yes", class: "danger" }), el("p"));
const input = el("input", {
  id: "name-input", required: "", maxlength: "64", autocomplete: "name", autofocus: "",
});
const nameDialog = dialog("name", {}, el("button", { value: "yes", class: "primary" }, "Keep"),
  el("p", {}, "It is recorded with what you do, and the other supervisors see it."),
  el("label", { for: "name-input" }, "Name"), input);
nameDialog.querySelector("h2").textContent = "Your name";

function dialog(id, cancel, yes, ...body) {
  const node = el("dialog", { id, "aria-labelledby": `${id}-title` },
    el("form", { method: "dialog" },
      el("h2", { id: `${id}-title` }), ...body,
      el("div", { class: "choices" },
        el("button", { type: "button", class: "cancel", ...cancel }, "Cancel"), yes)));
  document.body.append(node);
  return node;
}

/** Asks for a yes. @returns {Promise<boolean>} */
export async function confirmed({ title, text, yes }) {
  ask.querySelector("h2").textContent = title;
  ask.querySelector("p").textContent = text;
  ask.querySelector("[value=yes]").textContent = yes;
  return (await answer(ask)) === "yes";
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
  input.value = supervisorName();
  if ((await answer(nameDialog)) !== "yes") return "";
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
  nameDialog.addEventListener("close", () => setTimeout(() => { show(); onChange(); }));
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
