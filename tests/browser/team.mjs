// The team page: numbers, a chart that says what it shows, news as they come, and old numbers that
// say how old they are.
//
// Needs the runs that tests/following/browser.rs makes before it; it is asked for more by lines.

import { BASE, TOKEN, audit, check, expected, look, openBrowser, play, step, until, visible } from "./harness.mjs";

const browser = await openBrowser();
const { context } = browser;
const page = await context.newPage();
const number = (name) => page.locator(`.totals [data-of="${name}"]`).textContent();

await play(browser, async () => {
  await step("a stranger is asked to log in, and comes back", async () => {
    await page.goto(`${BASE}/team?days=7`);
    check(page.url().includes("/login?next=/team"), page.url());
    await page.fill("#token", TOKEN);
    await page.keyboard.press("Enter");
    await page.waitForURL(`${BASE}/team?days=7`);
    check(await page.locator('input[value="7"]').isChecked(), "the time got lost on the way");
  });

  await step("it shows everybody, in numbers and pictures with words", async () => {
    await until("the numbers are there", async () => (await number("runs")) === "9");
    check((await number("hours_saved")) === "5.0", await number("hours_saved"));
    const people = page.locator("#who tr");
    check((await people.count()) === 2, `${await people.count()} people`);
    check((await people.first().textContent()).includes("<b>bob</b>"), "a name is text, whatever it looks like");
    const words = await page.locator("section runs-chart svg").first().getAttribute("aria-label");
    check(/^9 runs in 7 days, 6 of them successful\. Most on /.test(words), words);
    check((await page.locator("#runs li").count()) === 9, "the latest runs");
    await audit(page, "the team");
    await look(page, "team");
  });

  await step("the keyboard chooses the time, and the address keeps it", async () => {
    await page.focus('input[value="7"]');
    await page.keyboard.press("ArrowRight");
    await page.waitForURL(`${BASE}/team?days=30`);
    await until("30 days are asked for", async () =>
      /in 30 days/.test(await page.locator("section runs-chart svg").first().getAttribute("aria-label")));
  });

  await step("a run shows as soon as it is recorded", async () => {
    await until("it is live", async () => (await page.locator("live-state .words").textContent()) === "Live");
    const startedMs = Date.now();
    console.log("READY-FOR-A-RUN");
    await until("the run is counted", async () => (await number("runs")) === "10");
    console.log(`     seen after ${Date.now() - startedMs} ms, the request included`);
    await visible(page.locator("#runs li", { hasText: "just-now" }), "the run in the list");
  });

  await step("without the server it says how old the numbers are, and is right again by itself", async () => {
    expected.failedRequests = true;
    console.log("READY-FOR-STOP");
    await visible(page.locator("#old"), "the warning");
    check(/known \d+ s ago/.test(await page.locator("#old").textContent()), await page.locator("#old").textContent());
    check((await number("runs")) === "10", "the numbers stay");
    await look(page, "team-old");
    console.log("READY-FOR-START");
    await until("the warning is gone", async () => page.locator("#old").isHidden());
    expected.failedRequests = false;
  });
});
