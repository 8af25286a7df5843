// The log-in form: says why it failed, and goes on to the page that asked for it.

import { post } from "/static/shared/api.js";

const form = document.querySelector("form");
const input = document.getElementById("token");
const failed = document.getElementById("failed");
const query = new URLSearchParams(location.search);

if (query.has("failed")) fail("This token is not valid.");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  failed.hidden = true;
  try {
    await post("/login", { token: input.value.trim() });
    location.assign(nextPage());
  } catch (err) {
    fail(reason(err));
    button.disabled = false;
    input.select();
  }
});

function reason({ status, message, retryAfterS }) {
  if (status === 401 || status === 403) return "This token is not valid.";
  if (status === 429) {
    return `Too many attempts. Try again ${retryAfterS ? `in ${retryAfterS} s` : "a little later"}.`;
  }
  return message;
}

function fail(text) {
  failed.textContent = text;
  failed.hidden = false;
}

/**
 * Only a page of this server: a link must not send anyone elsewhere after the log-in. What stood
 * behind the `#` has come along to this page.
 */
function nextPage() {
  const next = new URL(query.get("next") ?? "/", location.origin);
  // With the origin: a path such as `//elsewhere` would be another server's address.
  return next.origin === location.origin ? next.origin + next.pathname + next.search + location.hash : "/";
}
