// What the stories in the browser stand on: a browser that talks to one server only, conditions with
// deadlines instead of sleeps, and the accessibility audit.
//
// Environment:
//   BASE_URL   address of a running server, such as http://127.0.0.1:5000
//   TOKEN      its token
//   TEST_NODE  folder that holds node_modules; default target/test-node of this repository
//   CHROMIUM   the browser; default: the first that is found
//   SHOTS      folder for pictures: of each page when the test fails, and of what a story wants
//              looked at; default: none

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const testNode = process.env.TEST_NODE ?? fileURLToPath(new URL("../../target/test-node", import.meta.url));
const require = createRequire(join(testNode, "/"));
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const AUDIT = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

export const BASE = needed("BASE_URL").replace(/\/$/, "");
export const TOKEN = needed("TOKEN");

/**
 * How long anything may take that is no claim: a page, a browser and a server on a busy machine, the
 * server's restart included.
 */
export const PATIENCE_MS = 60_000;

/** Complaints of the pages: errors in the console, requests to elsewhere. Must stay empty. */
export const complaints = [];
/** While the server is stopped on purpose, the browser rightly reports failed requests. */
export const expected = { failedRequests: false };

function needed(name) {
  const value = process.env[name];
  if (value) return value;
  console.error(`${name} is not set.`);
  process.exit(2);
}

/**
 * Opens the browser. `another` gives a context of its own: another person with their own session.
 * @returns {Promise<{context: object, contexts: object[], another: () => Promise<object>, close: () => Promise<void>}>}
 */
export async function openBrowser() {
  const { chromium } = require("playwright-core");
  const executablePath = process.env.CHROMIUM ?? BROWSERS.find(existsSync);
  if (!executablePath) throw new Error(`No browser found; set CHROMIUM (looked for ${BROWSERS.join(", ")}).`);
  const browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
      "--disable-background-networking", "--disable-component-update"],
  });
  const contexts = [];
  const another = async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    contexts.push(context);
    context.setDefaultTimeout(PATIENCE_MS);
    context.on("page", watch);
    return context;
  };
  return { context: await another(), contexts, another, close: () => browser.close() };
}

/** Plays a story to its end; the process succeeds if all of it held and no page complained. */
export async function play(browser, story) {
  try {
    await story();
    check(complaints.length === 0, "the pages complained");
    console.log("ok   no console errors, no request to another origin");
  } catch (err) {
    console.error(`FAILED ${err.stack ?? err}`);
    if (complaints.length > 0) console.error(`Complaints of the pages:\n${complaints.join("\n")}`);
    await pictures(browser.contexts);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

function watch(page) {
  page.on("console", (message) => {
    if (message.type() !== "error") return;
    if (expected.failedRequests && /Failed to load resource|net::ERR/.test(message.text())) return;
    complaints.push(`${page.url()}: console: ${message.text()}`);
  });
  page.on("pageerror", (err) => complaints.push(`${page.url()}: ${err.stack ?? err}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${BASE}/`) && !url.startsWith("data:")) complaints.push(`${page.url()}: request to ${url}`);
  });
}

/** One step of the story, named in the output. */
export async function step(name, act) {
  const startedMs = Date.now();
  try {
    const result = await act();
    console.log(`ok   ${name} (${Date.now() - startedMs} ms)`);
    return result;
  } catch (err) {
    err.stack = `${name}: ${err.stack}`;
    throw err;
  }
}

/** Waits until the locator's element is visible. */
export async function visible(locator, what, withinMs = PATIENCE_MS) {
  try {
    await locator.first().waitFor({ state: "visible", timeout: withinMs });
  } catch {
    throw new Error(`${what} did not appear within ${withinMs} ms`);
  }
  return locator.first();
}

/** Waits until the element is gone or hidden. */
export async function hidden(locator, what, withinMs = PATIENCE_MS) {
  try {
    await locator.first().waitFor({ state: "hidden", timeout: withinMs });
  } catch {
    throw new Error(`${what} was still there after ${withinMs} ms`);
  }
}

/** Waits until `isSo` gives true. */
export async function until(what, isSo) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await isSo())) {
    check(Date.now() < deadline, `waited until ${what}`);
    await pause(20);
  }
}

export async function focusIs(page, selector, what) {
  await until(`the focus is on ${what}`, () => page.evaluate((it) => document.activeElement.matches(it), selector));
}

/** The board of somebody who gave their name. */
export async function logIn(whose, name) {
  const page = await whose.newPage();
  await page.goto(`${BASE}/login?token=${encodeURIComponent(TOKEN)}`);
  await visible(page.locator("connection-state [data-phase=live]"), "“Live”");
  await page.getByRole("button", { name: "Set your name" }).click();
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.keyboard.press("Enter");
  await visible(page.getByRole("button", { name: `You: ${name}` }), "the supervisor's name");
  return page;
}

export function check(condition, message) {
  if (!condition) throw new Error(message);
}

/** No accessibility violation, light and dark, and nothing to scroll sideways at 320 px. */
export async function audit(page, name) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    if (!(await page.evaluate("typeof axe === 'object'"))) await page.evaluate(AXE);
    const { violations } = await page.evaluate(
      (tags) => globalThis.axe.run(document, { runOnly: { type: "tag", values: tags }, preload: false }), AUDIT);
    const lines = violations.flatMap(({ id, help, nodes }) =>
      nodes.map((it) => `  ${id}: ${help}\n    ${it.html}\n    ${it.failureSummary.replaceAll("\n", " ")}`));
    check(lines.length === 0, `${name} (${colorScheme}) has accessibility violations:\n${lines.join("\n")}`);
  }
  await page.emulateMedia({ colorScheme: "light", reducedMotion: null });
  const size = page.viewportSize();
  await page.setViewportSize({ width: 320, height: 640 });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  await page.setViewportSize(size);
  check(width <= 320, `${name} is ${width} px wide in a window of 320 px`);
}

/** Pictures of all pages, for whoever has to find out why. */
async function pictures(contexts) {
  if (!process.env.SHOTS) return;
  for (const [at, page] of contexts.flatMap((it) => it.pages()).entries()) {
    await page.screenshot({ path: join(process.env.SHOTS, `failed-${at}.png`) }).catch(() => {});
  }
}

/** Pictures of what a story wants looked at: light, dark and narrow. */
export async function look(page, name) {
  if (!process.env.SHOTS) return;
  const size = page.viewportSize();
  for (const [how, colorScheme, viewport] of [
    ["light", "light", size], ["dark", "dark", size], ["narrow", "light", { width: 360, height: 740 }]]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(viewport);
    await page.screenshot({ path: join(process.env.SHOTS, `${name}-${how}.png`), fullPage: how === "narrow" });
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(size);
}
