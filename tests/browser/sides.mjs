// What two sides write about calls: notes on the board and on the history page, what was changed
// in Firebase at the same time, and the panel of the mirror.
//
// Usage: BASE_URL=... TOKEN=... node sides.mjs
// Needs the calls of `tests/following/browser.rs`, and somebody who acts in Firebase and here when it
// prints READY-FOR-EDITS, READY-FOR-TROUBLE, READY-FOR-MENDING, SWITCHED and the mode.
//
// Exit code and environment: as dashboard.mjs and harness.mjs.

import { BASE, audit, check, expected, focusIs, hidden, logIn, look, openBrowser, play, step, until, visible } from "./harness.mjs";

const [FIRE, LAMP, OVER] = ["+15550100", "+15550101", "+15550102"];

const notes = (page) => page.getByLabel("Notes", { exact: true });
const action = (page) => page.getByLabel("Done in the end", { exact: true });
const save = (area) => area.locator("xpath=following-sibling::button");
const told = (page) => page.locator("call-notes .told");

const browser = await openBrowser();
const { context } = browser;
const lees = await browser.another();
await play(browser, story);

async function open(page, number) {
  await page.locator("call-list .row-item .open", { hasText: number }).click();
  await visible(page.locator("#call-title", { hasText: number }), `the call of ${number}`);
}

async function story() {
  const kim = await logIn(context, "Kim");
  const lee = await logIn(lees, "Lee");
  await writing(kim, lee);
  await history(kim);
  await conflicts(kim, lee);
  await marked(kim);
  await mirror(lee);
  await numbers(lee);
}

async function writing(kim, lee) {
  await step("notes are written at a call, and everybody sees them", async () => {
    for (const page of [kim, lee]) {
      await open(page, LAMP);
      await visible(told(page).filter({ hasText: "Corridor B" }), "the notes in short");
    }
    await kim.locator("call-notes summary").click();
    await notes(kim).fill("Corridor B,\nsecond floor");
    await notes(kim).press("Tab");
    await kim.keyboard.press("Enter");
    await visible(told(lee).filter({ hasText: "second floor" }), "Kim's notes at Lee's");
    await until("they are saved", () => save(notes(kim)).isDisabled());
    await focusIs(kim, "#write-notes", "the notes");
    await audit(kim, "/ with notes open");
    await look(kim, "notes");
  });
  await step("what somebody else wrote meanwhile is not buried unseen", async () => {
    await lee.locator("call-notes summary").click();
    await notes(lee).fill("Lee's draft");
    await notes(kim).fill("<b>Corridor</b> B");
    await save(notes(kim)).click();
    const meanwhile = lee.locator("call-notes .meanwhile", { hasText: "<b>Corridor</b> B" });
    await visible(meanwhile, "what Kim wrote");
    check(await notes(lee).inputValue() === "Lee's draft", "the draft is gone");
    await open(lee, FIRE);
    check(await notes(lee).inputValue() === "", "the draft is at the wrong call");
    await open(lee, LAMP);
    await visible(meanwhile, "what Kim wrote, still");
    check(await notes(lee).inputValue() === "Lee's draft", "the draft did not stay with its call");
    await audit(lee, "/ with a draft that is late");
    await look(lee, "notes-late");
    await meanwhile.getByRole("button", { name: "Take theirs" }).click();
    await hidden(meanwhile, "the warning");
    check(await notes(lee).inputValue() === "<b>Corridor</b> B", "theirs was not taken");
  });
  await step("notes that are too long are refused with the server's reason", async () => {
    expected.failedRequests = true;
    await notes(kim).fill("ä".repeat(2_001));
    await save(notes(kim)).click();
    await visible(kim.locator("call-notes .problem", { hasText: "at most 4000 are accepted" }), "the reason");
    check(await notes(kim).inputValue() === "ä".repeat(2_001), "the words are gone");
    await notes(kim).fill("Corridor B");
    await save(notes(kim)).click();
    await until("they are saved", () => save(notes(kim)).isDisabled());
    expected.failedRequests = false;
  });
}

async function history(kim) {
  await step("a call that is over is written about on the history page", async () => {
    const page = await context.newPage();
    await page.goto(`${BASE}/history?status=ended`);
    await page.locator("#found .row-item .open", { hasText: OVER }).click();
    await page.locator("call-notes summary").click();
    await action(page).fill("Told at noon");
    await save(action(page)).click();
    await visible(page.locator(".deed", { hasText: "Kim wrote what was done: “Told at noon”" }), "who wrote it");
    await until("it is saved", () => save(action(page)).isDisabled());
    check(await action(page).inputValue() === "Told at noon", "what was saved is not shown");
    await audit(page, "/history with notes open");
    await look(page, "notes-history");
    await page.close();
  });
}

async function conflicts(kim, lee) {
  const items = (page) => page.locator("conflict-list li");
  const item = (page, field) => items(page).filter({ hasText: field });
  await step("what was changed on both sides is shown with both values", async () => {
    expected.failedRequests = true;
    console.log("READY-FOR-EDITS");
    for (const page of [kim, lee]) {
      await visible(page.locator("conflict-list h2", { hasText: "3" }), "the conflicts");
      await visible(page.locator("connection-state [data-phase=live]"), "“Live”");
    }
    expected.failedRequests = false;
    const shown = await visible(item(kim, "Notes of"), "the notes");
    const words = await shown.innerText();
    for (const wanted of [LAMP, "Corridor B", "Corridor C,", "Kim, here", "Sam, in Firebase", "set later"]) {
      check(words.includes(wanted), `“${wanted}” is not in ${words}`);
    }
    await visible(item(kim, "Urgency of").filter({ hasText: "not lowered" }), "why it was not lowered");
    await audit(kim, "/ with conflicts");
    await look(kim, "conflicts");
  });
  await step("what was changed again meanwhile is shown, too", async () => {
    await visible(item(kim, "Notes of"), "the notes");
    check(await item(kim, "Notes of").locator(".now").isHidden(), "it looks changed again");
    await notes(kim).fill("Corridor D");
    await save(notes(kim)).click();
    await visible(item(kim, "Notes of").locator(".now", { hasText: "Now: Corridor D" }), "what is there now");
    check(await item(kim, "Who holds").locator(".now").isHidden(), "another one looks changed again");
  });
  await step("one click puts a value back, for everybody, and the keyboard goes on", async () => {
    await item(kim, "Urgency of").getByRole("button", { name: /^Put back “NORMAL”/ }).focus();
    await kim.keyboard.press("Enter");
    for (const page of [kim, lee]) await visible(page.locator("conflict-list h2", { hasText: "2" }), "one fewer");
    await visible(kim.locator("call-list .row-item", { hasText: FIRE }).locator(".urgency[data-urgency=NORMAL]"), "NORMAL");
    await focusIs(kim, "conflict-list button", "the next conflict");
  });
  await step("what cannot be put back says why", async () => {
    expected.failedRequests = true;
    await item(lee, "Who holds").getByRole("button", { name: /^Put back “Sam”/ }).click();
    await visible(item(lee, "Who holds").locator(".problem", { hasText: "Kim holds the call" }), "the reason");
    expected.failedRequests = false;
    await audit(lee, "/ with a refused conflict");
    await item(lee, "Who holds").getByRole("button", { name: /^Leave it so/ }).click();
    for (const page of [kim, lee]) await visible(page.locator("conflict-list h2", { hasText: "1" }), "one fewer");
  });
  await step("the last one goes, and the list with it", async () => {
    await item(lee, "Notes of").getByRole("button", { name: /^Put it back/ }).focus();
    await lee.keyboard.press("Enter");
    for (const page of [kim, lee]) await hidden(page.locator("conflict-list"), "the list");
    await focusIs(lee, "#calls", "the calls");
    await until("what was put back is in the notes", async () => (await notes(lee).inputValue()).startsWith("Corridor C"));
  });
}

async function marked(kim) {
  await step("what was done in Firebase is marked so", async () => {
    await kim.goto(`${BASE}/history?status=any`);
    await kim.locator("#found .row-item .open", { hasText: LAMP }).click();
    await visible(kim.locator(".deed[data-source=firebase]", { hasText: "Sam wrote what was done: “Janitor told” in Firebase" }), "who did it, and where");
    await visible(kim.locator(".message[data-role=admin]", { hasText: "The janitor is coming" }).locator(".place"), "where the words came from");
    await visible(kim.locator(".deed", { hasText: "Lee put back what had not been kept" }), "who put it back");
    await audit(kim, "/history with deeds from Firebase");
    await look(kim, "marked");
  });
}

/** What Firebase refuses, what can't be taken from it, and how closely it is followed. */
async function mirror(page) {
  const card = page.locator("mirror-state .card");
  const mode = page.locator("mirror-mode");
  await page.locator("mirror-state .chip").click();
  await step("what was refused and what cannot be taken is told, and goes when it is mended", async () => {
    console.log("READY-FOR-TROUBLE");
    await visible(card.locator(".failed li", { hasText: "/final_action" }), "what was refused");
    await visible(card.locator(".aside li", { hasText: "must be CRITICAL, URGENT or NORMAL" }), "what can't be taken");
    await visible(card.locator("table.cost td").filter({ hasText: /^[1-9]/ }), "what it costs");
    await audit(page, "/ with the mirror's panel");
    await look(page, "mirror");
    console.log("READY-FOR-MENDING");
    await hidden(card.locator(".aside"), "what can't be taken");
    await card.getByRole("button", { name: /^Try again/ }).click();
    await hidden(card.locator(".failed li"), "what was refused");
  });
  await step("the mode is switched by keyboard, and what was changed meanwhile is found", async () => {
    const checked = mode.locator("input:checked");
    await until("it listens", async () => (await checked.getAttribute("value")) === "live");
    await checked.focus();
    for (const wanted of ["periodic:30s", "off", "live"]) {
      await page.keyboard.press("ArrowRight");
      await until(`the mode is ${wanted}`, async () => (await checked.getAttribute("value")) === wanted && (await mode.innerText()).includes("Switched."));
      await visible(mode.getByText("Chosen by a supervisor."), "who chose it");
      console.log(`SWITCHED ${wanted}`);
      // Whoever acts there is done.
      const urgency = { "periodic:30s": "URGENT", off: "CRITICAL", live: "NORMAL" }[wanted];
      await visible(page.locator("call-list .row-item", { hasText: FIRE }).locator(`.urgency[data-urgency=${urgency}]`), urgency);
      if (wanted === "off") await look(page, "mirror-off");
    }
    await until("what was changed meanwhile is here", async () => (await notes(page).inputValue()) === "Written while nobody listened");
    await mode.getByRole("button", { name: "As the settings say" }).click();
    await hidden(mode.getByText("Chosen by a supervisor."), "who chose it");
    await audit(page, "/ with the mirror's panel, listening");
  });
  await page.keyboard.press("Escape");
  await hidden(card, "the panel");
}

/** A month's bill, a long outage and a wiped database, as no test has them. */
async function numbers(page) {
  const month = new Date().toISOString().slice(0, "2026-11".length);
  await page.route("**/api/sync", async (route) => route.fulfill({ json: {
    state: "unreachable", head_seq: 50, acked_seq: 8, pending: 42, lag_seconds: 75, listeners: 2,
    noticed: { found: "wiped", at: "2026-11-20T11:00:00.000Z" },
    mode: "live", mode_by: "rollout", listening: false, listening_trouble: "no answer for 2 s", taken: 17,
    set_aside: [{ path: "active_calls/call_02/urgency", reason: "must be CRITICAL, URGENT or NORMAL", at: "2026-11-20T12:02:00.000Z" }],
    failed: [
      { seq: 7, path: "active_conversations/conv_01/messages/msg_000003", reason: "400: it is too long", at: "2026-11-20T12:00:00.000Z" },
      { seq: 8, path: "active_calls/call_01/admin_notes", reason: "400: not text", at: "2026-11-20T12:01:00.000Z" },
    ],
    cost: {
      since_start: {},
      today: { requests: 1_234, paths: 5_678, bytes_up: 912_345, bytes_down: 45_678 },
      days: [
        { date: "2020-01-31", requests: 9, paths: 9, bytes_up: 9, bytes_down: 9 },
        { date: `${month}-01`, requests: 44_444, paths: 90_000, bytes_up: 122_544_444, bytes_down: 2_300_000 },
        { date: `${month}-02`, requests: 1_234, paths: 5_678, bytes_up: 912_345, bytes_down: 45_678 },
      ],
      stored_bytes: 12_345_678,
      usd: { downloaded_today: 0.00005, downloaded_this_month: 1.5, stored_a_month: 0.06 },
      per_call: { paths: 14.2, bytes_up: 3_210 },
    },
  } }));
  await page.locator("mirror-state .chip").click();
  await step("the mirror's panel tells what waits, what was refused, who listens and what it costs", async () => {
    const card = page.locator("mirror-state .card");
    await visible(card.locator(".failed li").nth(1), "the refused items");
    const words = await card.innerText();
    for (const wanted of ["42", "1 min 15 s", "Open listeners", "it was wiped", "no answer for 2 s", "17", "must be CRITICAL", "the rollout", "400: not text", "1,234", "912 kB", "123 MB", "45,678", "under $0.01", "$1.50", "12.3 MB, $0.06", "14 values, 3.2 kB"]) {
      check(words.includes(wanted), `“${wanted}” is not in ${words}`);
    }
    await visible(page.getByRole("button", { name: "Try all again" }), "the button for all");
    await audit(page, "/ with the mirror's panel and much to tell");
    await look(page, "mirror-much");
  });
  await page.keyboard.press("Escape");
  await hidden(page.locator("mirror-state .card"), "the panel");
}
