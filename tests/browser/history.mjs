// The history page: search, narrow, read a call with who did what, page on, back and reload.
//
// Needs the calls that tests/following/browser.rs makes before it: 60 about zebras, one of them
// taken over by Kim, ended by Lee, with a caller who says something that looks like markup.

import { BASE, TOKEN, audit, check, expected, openBrowser, play, step, until, visible } from "./harness.mjs";

const browser = await openBrowser();
const { context } = browser;
const page = await context.newPage();
const rows = page.locator("#found .row-item");
const told = () => page.locator("#told").textContent();

await play(browser, async () => {
  await step("no link leads elsewhere by way of the log-in", async () => {
    expected.failedRequests = true;
    await page.goto(`${BASE}/login?next=/.//elsewhere.example/`);
    await page.fill("#token", TOKEN);
    // The browser says some time after the page is there that it was not found.
    const said = page.waitForEvent("console", (it) => /Failed to load resource/.test(it.text()));
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => url.pathname.startsWith("//elsewhere"));
    await said;
    check(new URL(page.url()).origin === BASE, `a link led to ${page.url()}`);
    await context.clearCookies();
    expected.failedRequests = false;
  });

  await step("a stranger is asked to log in, and comes back", async () => {
    const asked = "/history?q=zebra+7&status=ended#erasures";
    await page.goto(BASE + asked);
    check(page.url().includes("/login?next=/history"), page.url());
    await page.fill("#token", TOKEN);
    await page.keyboard.press("Enter");
    await page.waitForURL(BASE + asked);
    check((await page.inputValue("#q")) === "zebra 7", "the question got lost on the way");
    await visible(page.locator("erasure-list .none"), "that nothing was erased");
    await page.goto(`${BASE}/history`);
  });

  await step("without words it lists calls, newest first, page by page", async () => {
    await until("50 rows are there", async () => (await rows.count()) === 50);
    await page.click("#further");
    await until("60 rows are there", async () => (await rows.count()) === 60);
    check(await page.locator("#further").isHidden(), "there is no more");
    check(await page.evaluate(() => document.activeElement.closest(".row-item") === document.querySelectorAll("#found .row-item")[50]),
      "the focus goes on where the new rows begin");
    await audit(page, "the history");
  });

  await step("words are found and marked, and what looks like markup is text", async () => {
    await page.fill("#q", "\"zebra seven\" OR bold*");
    await page.keyboard.press("Enter");
    await until("two finds are there", async () => (await rows.count()) === 2);
    const marks = await page.locator("#found mark").allTextContents();
    check(marks.includes("zebra seven"), `the marks are ${marks}`);
    check(await page.locator("#found b:text-is('bold'), #found img").count() === 0, "markup came alive");
    const texts = await page.locator("#found .last-words").allTextContents();
    check(texts.some((it) => it.includes("<b>bold</b> <img src=x>")), texts.join(" | "));
    check(texts.filter((it) => it.includes("legal hold")).length === 1, `one call is held: ${texts}`);
    await audit(page, "a search");
  });

  await step("what was written about a call is found, and opens it", async () => {
    await page.fill("#q", "okapi");
    await page.keyboard.press("Enter");
    await until("it is found", async () => (await rows.count()) === 1 && (await rows.textContent()).includes("okapi"));
    const row = await rows.textContent();
    check(row.includes("Notes: The <i>okapi</i> is safe"), row);
    await rows.locator(".open").click();
    await visible(page.locator("#call-title", { hasText: "+15550199" }), "the call");
    await page.keyboard.press("Escape");
  });

  await step("a query that is wrong is explained", async () => {
    // The browser says in its console that the answer was 422, as it should be.
    expected.failedRequests = true;
    await page.fill("#q", "zebra AND (");
    await page.keyboard.press("Enter");
    await until("it is explained", async () => (await page.locator("#problem").textContent()).includes("is not understood"));
    check((await rows.count()) === 0, "old results stay away");
    expected.failedRequests = false;
  });

  await step("a filter narrows, and the address keeps it", async () => {
    await page.fill("#q", "zebra");
    await page.click("#more-filters summary");
    await page.fill("#supervisor", "Kim");
    await page.keyboard.press("Enter");
    await until("one call is left", async () => (await rows.count()) > 0 && (await told()).includes("message"));
    const numbers = new Set(await page.locator("#found .open").allTextContents());
    check(numbers.size === 1, `of one caller: ${[...numbers]}`);
    check(page.url().includes("supervisor=Kim"), page.url());
    await page.reload();
    await until("it is asked again", async () => (await rows.count()) > 0);
    check((await page.inputValue("#supervisor")) === "Kim", "the form is filled again");
    await audit(page, "the filters");
  });

  await step("by keyboard a call is opened, read and closed", async () => {
    await page.locator("#found .open").first().focus();
    await page.keyboard.press("Enter");
    const heading = await visible(page.locator("#call-title", { hasText: "+" }), "the call");
    check(await heading.evaluate((it) => it === document.activeElement), "the focus is on the call");
    const deeds = (await page.locator(".deed").allTextContents()).join(" | ");
    for (const deed of ["Kim took the call over", "Kim handed the call back", "Lee ended the call"]) {
      check(deeds.includes(deed), `"${deed}" is not in "${deeds}"`);
    }
    await visible(page.locator(".message[data-role=admin]", { hasText: "Supervisor Kim" }), "Kim's words");
    await visible(page.locator(".message[data-found]"), "the message that was found");
    await audit(page, "a past call");
    await page.keyboard.press("Escape");
    check(await page.evaluate(() => document.activeElement.matches("#found .open")), "the focus is back on the row");
  });

  await step("back and forward show what was there", async () => {
    await page.goBack();
    await visible(page.locator("#call-title", { hasText: "+" }), "the call again");
    await page.click("#clear");
    await until("all zebras are there again", async () => (await rows.count()) === 50);
    await page.goBack();
    await until("the filter is back", async () => (await page.inputValue("#supervisor")) === "Kim");
  });
});
