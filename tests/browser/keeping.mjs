// What becomes of past calls, on the history page: deleted and had back, kept by law, erased with
// everything of their caller; and what the board shows of it.
//
// Usage: BASE_URL=... TOKEN=... node keeping.mjs
// Prints READY-FOR-FULL-DISK and expects the server's disk to take no writes, then
// READY-FOR-FREE-DISK and expects it to take them again.
//
// Exit code and environment: as dashboard.mjs and harness.mjs.

import { BASE, TOKEN, audit, check, expected, focusIs, hidden, openBrowser, play, step, until, visible } from "./harness.mjs";

const [TWICE, ONCE, LIVE] = ["+15550170", "+15550171", "+15550172"];

const browser = await openBrowser();
const { context } = browser;
const page = await context.newPage();
const rows = page.locator("#found .row-item:not([hidden])");
const row = (number) => rows.filter({ has: page.locator(".open", { hasText: number }) });
const press = (name) => page.getByRole("button", { name, exact: true });
const refusal = (text) => page.locator("keep-call .problem", { hasText: text });

await play(browser, story);

async function ask(method, path, body) {
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${TOKEN}` };
  const answer = await fetch(`${BASE}${path}`, { method, headers, body: body && JSON.stringify(body) });
  check(answer.ok, `${path} was answered with ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
}

async function call(number, words, isWhole = true) {
  const { call_id: id } = await ask("POST", "/api/process-speech", { speech: words, ph_no: number });
  if (isWhole) await ask("POST", "/api/hang-up", { ph_no: number });
  return id;
}

/** The server's own word on whether the disk takes writes. */
async function untilReady(status) {
  await until(`/health/ready is ${status}`, async () => (await fetch(`${BASE}/health/ready`)).status === status);
}

async function open(number) {
  await row(number).first().locator(".open").focus();
  await page.keyboard.press("Enter");
  await visible(page.locator("#call-title", { hasText: number }), `the call of ${number}`);
  await visible(page.locator("past-call keep-call"), "what may be done with it");
}

/** Some refusals are wanted here, and the browser says of each in its console that it was one. */
async function refused(act) {
  expected.failedRequests = true;
  await act();
  expected.failedRequests = false;
}

async function story() {
  await call(TWICE, "There is a zebra in the hall");
  const newest = await call(TWICE, "There is a zebra in the <b>yard</b>");
  const once = await call(ONCE, "There is a zebra at the gate");
  await call(LIVE, "There is a zebra on the roof", false);
  await page.goto(`${BASE}/login?token=${encodeURIComponent(TOKEN)}`);
  await page.goto(`${BASE}/history`);
  await until("four calls are listed", async () => (await rows.count()) === 4);

  await deleting(once);
  await holding(once);
  await withoutADisk();
  await erasing(newest);
}

/** The board in a tab of its own, with this call open. */
async function boardAt(id, words) {
  const board = await context.newPage();
  await board.goto(`${BASE}/#${id}`);
  await visible(board.locator("call-transcript .message", { hasText: words }), "its words on the board");
  await visible(board.locator("connection-state [data-phase=live]"), "“Live”");
  await page.bringToFront();
  return board;
}

async function dropped(board, words) {
  await hidden(board.locator("#call-title"), "the call");
  check(!(await board.content()).includes(words), "its words are still on the board");
  await board.close();
}

async function deleting(once) {
  await step("a call that goes on can only be looked at", async () => {
    await open(LIVE);
    await visible(page.locator(".on-board", { hasText: "This call goes on" }), "why");
    check(await press("Delete").isHidden(), "it can be deleted");
  });
  const board = await boardAt(once, "gate");
  await step("a call is deleted by a named person, and undone where the focus is", async () => {
    await open(ONCE);
    await press("Delete").focus();
    await page.keyboard.press("Enter");
    await page.getByLabel("Name", { exact: true }).fill("Kim");
    await page.keyboard.press("Enter");
    await visible(page.locator("keep-call .gone", { hasText: "It can be restored" }), "that it was deleted");
    await focusIs(page, "keep-call .restore", "the way back");
    await visible(page.locator(".deed", { hasText: "Kim deleted the call" }), "who did it");
    await until("its row is gone", async () => (await row(ONCE).count()) === 0);
    check((await page.locator("#told").textContent()).startsWith("3 calls"), "the list does not count what it shows");
    await until("it is read out", async () => (await page.locator("#polite").textContent()).startsWith("Deleted."));
    await audit(page, "a deleted call");
    await dropped(board, "gate");
    await page.keyboard.press("Enter");
    await focusIs(page, "keep-call .delete", "the deletion again");
    await until("its row is back", async () => (await row(ONCE).count()) === 1);
    await visible(page.locator(".deed", { hasText: "Kim had the call back" }), "who had it back");
  });
  await step("the deleted ones are found by their filter, and restored there", async () => {
    await press("Delete").click();
    await visible(page.locator("keep-call .gone"), "that it was deleted");
    await page.keyboard.press("Escape");
    check(await page.evaluate(() => Boolean(document.activeElement.closest(".row-item:not([hidden])"))),
      "the focus is not on the next row");
    await page.click("#more-filters summary");
    await page.selectOption("#deleted", "only");
    await press("Search").click();
    await until("only the deleted one is listed", async () => (await rows.count()) === 1);
    await visible(row(ONCE).locator(".last-words", { hasText: "deleted" }), "that it is deleted");
    check(page.url().includes("deleted=only"), page.url());
    await open(ONCE);
    await press("Restore").click();
    await until("it is no deleted one any more", async () => (await rows.count()) === 0);
    await visible(page.locator("#none", { hasText: "Nothing was found" }), "that there is none");
    await page.selectOption("#deleted", "with");
    await press("Search").click();
    await until("all are listed", async () => (await rows.count()) === 4);
  });
}

async function holding(once) {
  const hold = press("Legal hold");
  const pressed = (is) => until(`the hold is ${is}`, async () => (await hold.getAttribute("aria-pressed")) === is);
  await step("what is on legal hold is not deleted, and says so", async () => {
    await open(ONCE);
    await hold.click();
    await pressed("true");
    check(await press("Delete").isDisabled() && await press("Erase caller…").isDisabled(), "it can be deleted");
    await visible(row(ONCE).locator(".last-words", { hasText: "legal hold" }), "the hold in its row");
    await audit(page, "a call on legal hold");
  });
  await step("a hold is lifted only after a second thought", async () => {
    await hold.click();
    await press("Cancel").click();
    check(await hold.getAttribute("aria-pressed") === "true", "it was lifted");
    await hold.click();
    await press("Lift the hold").click();
    await pressed("false");
    await focusIs(page, "keep-call .hold", "the hold");
  });
  await step("somebody else's hold is told as the reason, and shown from then on", async () => {
    await ask("POST", `/api/calls/${once}/hold`, { admin_id: "Lee", legal_hold: true });
    await refused(async () => {
      await press("Delete").click();
      await visible(refusal("is on legal hold: lift it first"), "the reason");
    });
    await pressed("true");
    await visible(page.locator(".deed", { hasText: "Lee put a legal hold" }), "whose hold it is");
    check(await refusal("Not done").isVisible(), "the reason has gone already");
    await hold.click();
    await press("Lift the hold").click();
    await pressed("false");
  });
}

async function withoutADisk() {
  console.log("READY-FOR-FULL-DISK");
  await step("a disk that takes no writes is told as the reason", async () => {
    await untilReady(503);
    await refused(async () => {
      await press("Delete").click();
      await visible(refusal("Not done"), "that it was not done");
    });
    check(await page.locator("keep-call .gone").isHidden(), "it looks deleted");
    await audit(page, "a refusal");
  });
  console.log("READY-FOR-FREE-DISK");
  await step("with the disk back, the same button does it", async () => {
    await untilReady(200);
    await press("Delete").click();
    await visible(page.locator("keep-call .gone"), "that it was deleted");
    check(await refusal("Not done").isHidden(), "the old reason is still there");
  });
}

async function erasing(newest) {
  const board = await boardAt(newest, "yard");
  const typed = page.locator("#erase-typed");
  const problem = page.locator("erase-caller .problem");
  await step("erasing says what goes, and wants the number typed", async () => {
    await open(TWICE);
    await press("Erase caller…").click();
    await focusIs(page, "#erase-typed", "what is to be typed");
    await visible(page.locator("erase-caller .known", { hasText: "2 calls of it are known" }), "how many calls go");
    check(await page.locator("erase-caller .no-number").isHidden(), "a number is taken for a name");
    await typed.fill(ONCE);
    await page.keyboard.press("Enter");
    await visible(problem.filter({ hasText: `This is not ${TWICE}` }), "that it is another number");
    await audit(page, "the question before an erasure");
    await page.keyboard.press("Escape");
    await focusIs(page, "keep-call .erase", "where it was");
    check((await ask("GET", "/api/erasures")).erasures.length === 0, "something was erased");
  });
  await step("one call on legal hold, and nothing is erased: the reason leads to it", async () => {
    await ask("POST", `/api/calls/${newest}/hold`, { admin_id: "Lee", legal_hold: true });
    await row(TWICE).last().locator(".open").click();
    await visible(page.locator(".message[data-role=user]", { hasText: "hall" }), "the other call");
    await press("Erase caller…").click();
    await typed.fill(` ${TWICE.slice(1)} `);
    await refused(async () => {
      await page.keyboard.press("Enter");
      await visible(problem.filter({ hasText: "is on legal hold: lift it first" }), "the reason");
    });
    await problem.getByRole("link", { name: newest }).click();
    await visible(page.locator(".message[data-role=user]", { hasText: "yard" }), "the call on hold");
    await press("Legal hold").click();
    await press("Lift the hold").click();
    await until("the hold is lifted", async () => (await press("Legal hold").getAttribute("aria-pressed")) === "false");
  });
  await step("the caller is erased, and the receipt is shown", async () => {
    await press("Erase caller…").click();
    await typed.fill(TWICE);
    await page.keyboard.press("Enter");
    const receipt = await visible(page.locator(".receipt[data-new]"), "the receipt");
    check(/by Kim.*2 calls with 4 messages/s.test(await receipt.innerText()), await receipt.innerText());
    await focusIs(page, "#erasures-title", "the receipts");
    await until("its rows are gone", async () => (await row(TWICE).count()) === 0 && (await rows.count()) > 0);
    await receipt.locator("summary").click();
    await visible(receipt.locator("dd", { hasText: newest }), "which calls they were");
    check(!(await page.locator("erasure-list").innerText()).includes(TWICE), "the receipt holds the number");
    await audit(page, "the receipts");
  });
  await step("the board has dropped it", () => dropped(board, "yard"));
  await step("the receipts have an address", async () => {
    await page.reload();
    await visible(page.locator(".receipt", { hasText: "by Kim" }), "the receipt");
    await page.getByRole("link", { name: "Erasures" }).click();
    await page.keyboard.press("Escape");
    await hidden(page.locator("erasure-list"), "the receipts");
    await focusIs(page, "#to-erasures", "the way to them");
  });
}
