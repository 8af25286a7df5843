// Two supervisors at their dashboards, against a running server that mirrors: alerts, who holds a
// call, urgencies, what the mirror was refused, the end of a call.
//
// Usage: BASE_URL=... TOKEN=... node supervisors.mjs
// The database must refuse the third message of each conversation. Once the dashboard shows that,
// this prints READY-FOR-MENDING and expects somebody to mend the database. At READY-FOR-AN-EDIT
// somebody called Sam must delete the call of the lamp there, which goes on.
//
// Exit code and environment: as dashboard.mjs and harness.mjs.

import { BASE, PATIENCE_MS, audit, check, complaints, hidden, logIn, openBrowser, play, step, visible } from "./harness.mjs";

const [FIRE, SMOKE, LAMP] = ["+15550100", "+15550101", "+15550102"];

const browser = await openBrowser();
const { context } = browser;
const lees = await browser.another();
await play(browser, story);

async function say(number, speech) {
  const answer = await fetch(`${BASE}/api/process-speech`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ speech, ph_no: number }),
  });
  check(answer.status === 200, `the caller got ${answer.status}`);
}

function row(page, number) {
  return page.locator("call-list > .rows .row-item", { has: page.locator(".open", { hasText: number }) });
}

async function open(page, number) {
  await row(page, number).locator(".open").click();
  await visible(page.locator("#call-title", { hasText: number }), `the call of ${number}`);
}

async function answer(page, yes) {
  await page.locator("#ask[open]").getByRole("button", { name: yes }).click();
}

async function story() {
  await say(FIRE, "There is a fire in the warehouse");
  await say(SMOKE, "The hall is full of smoke and I cannot get out");
  await say(LAMP, "Hello, I have a question");
  const kim = await logIn(context, "Kim");
  const lee = await logIn(lees, "Lee");
  await alerts(kim, lee);
  await holding(kim, lee);
  await urgency(kim, lee);
  await filters(kim);
  await mirror(kim);
  await edited(kim, lee);
  await step("ending a call is asked back, and everybody sees it", async () => {
    await open(lee, LAMP);
    await lee.getByRole("button", { name: "End call" }).click();
    await answer(lee, "End call");
    await hidden(row(kim, LAMP), `the row of ${LAMP}`);
    await kim.locator(".ended-calls summary").click();
    await visible(kim.locator(".ended-calls .row-item", { hasText: LAMP }), "the call among the ended ones");
    await audit(kim, "/ with an ended call");
  });
  await step("who logs out is at the log-in page, and the other stays", async () => {
    await kim.getByRole("button", { name: "Log out" }).click();
    await kim.waitForURL(`${BASE}/login`);
    const inside = await kim.evaluate(() => fetch("/api/active-calls-json").then((it) => it.status));
    check(inside === 401, `the session still opens the board: ${inside}`);
    complaints.splice(0, complaints.length, ...complaints.filter((it) => !it.includes("401")));
    await visible(lee.locator("connection-state [data-phase=live]"), "“Live”");
  });
}

async function alerts(kim, lee) {
  const items = (page) => page.locator("alert-strip li");
  await step("alerts stay until somebody acknowledges them, for everybody", async () => {
    await visible(items(kim).nth(1), "both alerts");
    await visible(items(lee).nth(1), "both alerts");
    await audit(kim, "/ with alerts");
    await items(kim).filter({ hasText: SMOKE }).getByRole("button").click();
    for (const page of [kim, lee]) await hidden(items(page).nth(1), "the acknowledged alert");
  });
  await step("an alert leads to its call", async () => {
    await items(kim).first().getByRole("link").click();
    await visible(kim.locator("#call-title", { hasText: FIRE }), "the alarming call");
  });
}

async function holding(kim, lee) {
  await step("a taken call is its holder's, and its alert is seen to", async () => {
    await open(lee, FIRE);
    await kim.getByRole("button", { name: "Take over" }).click();
    for (const page of [kim, lee]) {
      await visible(row(page, FIRE).locator(".holder", { hasText: "held by Kim" }), "who holds it");
      await hidden(page.locator("alert-strip"), "the alert");
    }
    await visible(lee.locator("#say-hint", { hasText: "Kim speaks with the caller" }), "who speaks");
    check(await lee.getByRole("button", { name: "Say" }).isDisabled(), "two speak with one caller");
    check(await lee.locator(".takeover").isHidden(), "a held call is offered");
  });
  await step("what was typed for another call is still there", async () => {
    await kim.getByLabel("Say to the caller").fill("Stay where you are");
    await open(kim, SMOKE);
    check(await kim.getByLabel("Say to the caller").inputValue() === "", "the draft is at the wrong call");
    await open(kim, FIRE);
    check(await kim.getByLabel("Say to the caller").inputValue() === "Stay where you are", "the draft is gone");
  });
  await step("somebody else can hand it back", async () => {
    await lee.getByRole("button", { name: "Hand back" }).click();
    await visible(row(kim, FIRE).locator(".status", { hasText: "ACTIVE" }), "ACTIVE on the board");
    await visible(lee.getByRole("button", { name: "Take over" }), "the call, free again");
  });
}

async function urgency(kim, lee) {
  const lower = () => kim.locator(".levels").getByRole("button", { name: "Normal" }).click();
  await step("an urgency is lowered only after a second thought", async () => {
    await lower();
    await answer(kim, "Cancel");
    await visible(row(kim, FIRE).locator(".urgency[data-urgency=CRITICAL]"), "CRITICAL still");
    await lower();
    await audit(kim, "/ with a question");
    await answer(kim, "Lower to NORMAL");
    for (const page of [kim, lee]) {
      await visible(row(page, FIRE).locator(".urgency[data-urgency=NORMAL]"), "NORMAL on the board");
    }
    check((await kim.title()).startsWith("(1 critical)"), `the title says ${await kim.title()}`);
  });
}

async function filters(kim) {
  const rows = kim.locator("call-list > .rows .row-item");
  await step("the board can be narrowed to a number or an urgency", async () => {
    await kim.getByLabel("Number, words or name").fill(LAMP.slice(-4));
    await hidden(rows.nth(1), "rows that do not match");
    await visible(row(kim, LAMP), `the row of ${LAMP}`);
    await kim.getByLabel("Number, words or name").fill("");
    await kim.locator("#urgencies label", { hasText: "Critical" }).click();
    await hidden(rows.nth(1), "rows of other urgencies");
    await visible(row(kim, SMOKE), `the row of ${SMOKE}`);
    await kim.locator("#urgencies label", { hasText: "All" }).click();
    await visible(rows.nth(2), "all rows");
  });
}

async function edited(kim, lee) {
  const item = (page) => page.locator("conflict-list li", { hasText: LAMP });
  await step("what somebody in Firebase may not do is shown at once, and settled for everybody", async () => {
    console.log("READY-FOR-AN-EDIT");
    for (const page of [kim, lee]) await visible(item(page), "the conflict");
    const words = await item(lee).innerText();
    for (const wanted of ["Deletion of", "not deleted", "Sam, in Firebase", "did not allow it"]) {
      check(words.includes(wanted), `“${wanted}” is not in ${words}`);
    }
    await visible(row(lee, LAMP), "the call, which goes on");
    await item(lee).getByRole("button", { name: /^Leave it so/ }).click();
    for (const page of [kim, lee]) await hidden(page.locator("conflict-list"), "the conflict");
  });
}

async function mirror(kim) {
  const chip = kim.locator("mirror-state .chip");
  await step("what the database refuses is shown, and with its call", async () => {
    await say(LAMP, "The lamp in the corridor is broken");
    await visible(chip.filter({ hasText: "1 refused" }), "“1 refused”");
    await visible(row(kim, LAMP).locator(".mirror", { hasText: "mirror refused it" }), "the refusal");
    await visible(row(kim, FIRE).locator(".mirror", { hasText: /^mirrored$/ }), "“mirrored”");
    await chip.click();
    await visible(kim.locator("mirror-state .failed code", { hasText: "msg_000003" }), "the refused path");
    await audit(kim, "/ with the mirror's state open");
  });
  console.log("READY-FOR-MENDING");
  await step("trying again heals it", async () => {
    const again = kim.getByRole("button", { name: /^Try again: .*msg_000003/ });
    const until = Date.now() + PATIENCE_MS;
    while (await again.isVisible()) {
      check(Date.now() < until, "the mended database still refuses it");
      await again.click({ timeout: 1_000 }).catch(() => {}); // It may have gone just now.
    }
    await visible(chip.filter({ hasText: /Mirror: synced$/ }), "“Mirror: synced”");
    await visible(row(kim, LAMP).locator(".mirror", { hasText: /^mirrored$/ }), "“mirrored”");
    await chip.click();
  });
}
