// The pages in a real browser, against a running server: a test call, seen, read along, taken
// over and handed back on the dashboard.
//
// Usage: BASE_URL=... TOKEN=... node dashboard.mjs [--stop] [--restart]
//   --stop     afterwards prints READY-FOR-STOP, waits until somebody stops the server, and
//              expects that the dashboard says so and nothing on it looks live
//   --restart  then prints READY-FOR-START and expects the dashboard to be live again by itself
//
// Exit code: 0 when everything held, 1 when something did not, 2 for a wrong call.
// Environment: see harness.mjs.

import { BASE, TOKEN, audit, check, expected, hidden, openBrowser, play, step, visible } from "./harness.mjs";

/**
 * A row on the board must be there this soon after the caller's words: too soon for a board that came
 * by it only by connecting again, which it does after 20 s of silence.
 */
const SEEN_MS = 15_000;

const SUPERVISOR = "Browser test";
const NUMBER = `+1555${String(Date.now()).slice(-7)}`;
const FIRE = "There is a fire in the warehouse";
const MARKUP = "The sign says <b>Hall 4</b> <img src=x>";
const HELP = "Help is on the way, stay at the gate.";

const options = new Set(process.argv.slice(2));
const unknown = [...options].filter((it) => !["--stop", "--restart"].includes(it));
if (unknown.length > 0) {
  console.error(`Unknown option ${unknown.join(", ")}. Known: --stop, --restart`);
  process.exit(2);
}

const browser = await openBrowser();
const { context } = browser;
await play(browser, story);

async function story() {
  const board = await context.newPage();
  await step("the log-in page is accessible", async () => {
    await board.goto(`${BASE}/login`);
    await audit(board, "/login");
  });
  await step("the printed link opens the dashboard", async () => {
    await board.goto(`${BASE}/login?token=${encodeURIComponent(TOKEN)}`);
    check(new URL(board.url()).pathname === "/", `the link led to ${new URL(board.url()).pathname}`);
    await visible(board.locator("connection-state [data-phase=live]"), "“Live”");
  });

  const phone = await context.newPage();
  await step("a call starts in the browser", async () => {
    await phone.goto(`${BASE}/web-call`);
    await audit(phone, "/web-call before the call");
    await phone.getByLabel("Your number").fill(NUMBER);
    await phone.getByRole("button", { name: "Start call" }).click();
    await phone.keyboard.type(FIRE);
    await phone.keyboard.press("Enter");
  });
  const row = board.locator("call-list .row-item", { has: board.locator(".open", { hasText: NUMBER }) });
  await step("the dashboard shows it as CRITICAL", async () => {
    const node = await visible(row, `the row of ${NUMBER}`, SEEN_MS);
    await visible(node.locator(".urgency[data-urgency=CRITICAL]", { hasText: "CRITICAL" }), "“CRITICAL”", SEEN_MS);
  });
  await step("the caller is answered, safely on disk", async () => {
    await visible(phone.locator(".message[data-role=assistant]"), "the answer");
    check(await phone.locator("#unsafe").isHidden(), "the answer was not durable");
  });

  const words = board.locator("call-transcript .message");
  await step("the transcript is live", async () => {
    await board.bringToFront();
    await row.locator(".open").focus();
    await board.keyboard.press("Enter");
    await visible(words.filter({ hasText: FIRE }), "what the caller said");
    await visible(board.locator("call-transcript .message[data-role=assistant]"), "what Aurora answered");
    await phone.getByLabel("What you say").fill(MARKUP);
    await phone.keyboard.press("Enter");
    await visible(words.filter({ hasText: MARKUP }), "the caller's new words");
  });
  await step("a caller's words stay text", async () => {
    const made = await board.locator("call-transcript .text *, .last-words img, .last-words b b").count();
    check(made === 0, "words of a caller became elements of the page");
  });
  await step("the dashboard is accessible with a call open", () => audit(board, "/"));
  await step("the phone is accessible during a call", () => audit(phone, "/web-call"));

  await takeOver(board, phone, row);

  const docs = await context.newPage();
  await step("the API description lets one try a request", async () => {
    await docs.goto(`${BASE}/docs#sync`);
    await docs.locator("#sync form").getByRole("button", { name: "Send" }).click();
    await visible(docs.locator("#sync .answer-status", { hasText: "200" }), "the answer 200");
    await audit(docs, "/docs");
    await docs.close();
  });

  if (options.has("--stop") || options.has("--restart")) await stopped(board, row);
  else await hangUp(board, phone, row);
}

async function takeOver(board, phone, row) {
  await step("a supervisor takes over", async () => {
    await board.getByRole("button", { name: "Take over" }).click();
    await board.getByLabel("Name", { exact: true }).fill(SUPERVISOR);
    await board.keyboard.press("Enter");
    await visible(row.locator(".status", { hasText: "TAKEOVER" }), "TAKEOVER on the board");
    await visible(row.locator(".holder", { hasText: SUPERVISOR }), "the supervisor's name on the board");
  });
  await step("the caller hears the supervisor", async () => {
    await board.getByLabel("Say to the caller").fill(HELP);
    await board.keyboard.press("Enter");
    await visible(board.locator("call-transcript .message[data-role=admin]", { hasText: HELP }), "the words in the transcript");
    await visible(phone.locator(".message[data-role=admin]", { hasText: HELP }), "the words on the phone");
  });
  await step("the supervisor hands back", async () => {
    await board.getByRole("button", { name: "Hand back" }).click();
    await visible(row.locator(".status", { hasText: "ACTIVE" }), "ACTIVE on the board");
  });
}

async function hangUp(board, phone, row) {
  await step("the caller hangs up", async () => {
    await phone.getByRole("button", { name: "Hang up" }).click();
    await visible(phone.getByRole("button", { name: "Start call" }), "the way to a new call");
    await hidden(row, `the row of ${NUMBER}`);
    await visible(board.locator(".call[data-status=ENDED]"), "ENDED on the open call");
  });
}

async function stopped(board, row) {
  expected.failedRequests = true;
  console.log("READY-FOR-STOP");
  await step("a stopped server is seen at once, and stale data does not look live", async () => {
    const banner = await visible(board.locator("#stale", { hasText: "Not live since" }), "“Not live since …”");
    check(/is \d+ (s|min|h).* old/.test(await banner.innerText()), "the banner does not say how old the data is");
    await visible(board.locator("call-list[data-stale]"), "the grey board");
    check(await row.first().isVisible(), "the last known calls are gone from the board");
    check((await board.title()).startsWith("Not live"), "the page's title looks live");
    await audit(board, "/ while it is not live");
  });
  if (!options.has("--restart")) return;
  console.log("READY-FOR-START");
  await step("the dashboard is live again by itself", async () => {
    await visible(board.locator("connection-state [data-phase=live]"), "“Live”");
    await hidden(board.locator("#stale"), "“Not live since …”");
    await visible(row, `the row of ${NUMBER}`);
  });
}
