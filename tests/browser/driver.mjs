// SPDX-License-Identifier: Apache-2.0
// A real Chromium for the tests in Python: one JSON command a line on stdin, one JSON answer a line on stdout.
import { createInterface } from "node:readline";

import { chromium } from "../../web/node_modules/playwright-core/index.mjs";

const kArguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const kPatience = 20_000;

// A user-data-dir of its own: playwright makes one for each launch and removes it.
const browser = await chromium.launch({ executablePath: process.env.SLIPWAY_CHROMIUM ?? "/usr/bin/chromium", args: kArguments });
let page;
let errors;
let origins;

async function open({ url, width = 1280, height = 800, theme = "light" }) {
  await page?.context().close();
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, reducedMotion: "reduce" });
  page = await context.newPage();
  page.setDefaultTimeout(kPatience);
  errors = [];
  origins = new Set();
  page.on("console", (message) => message.type() === "error" && errors.push(`${message.text()} ${message.location().url}`));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => request.url().startsWith("data:") || origins.add(new URL(request.url()).origin));
  await page.goto(url);
}

// Waits until the page's own text (of `selector`) holds `text`.
async function see({ selector = "body", text }) {
  await page.waitForFunction(([where, what]) => [...document.querySelectorAll(where)].some((one) => one.innerText.includes(what)), [selector, text]);
}

// The page's policy forbids evaluating text inside it, so the waiting is done out here.
async function until({ script }) {
  const end = Date.now() + kPatience;
  while (!(await page.evaluate(script))) {
    if (Date.now() > end) throw new Error("it did not come true");
    await page.waitForTimeout(50);
  }
  return true;
}

const commands = {
  open,
  see,
  texts: ({ selector }) => page.$$eval(selector, (all) => all.map((one) => one.innerText.trim())),
  count: ({ selector }) => page.locator(selector).count(),
  attributes: ({ selector, name }) => page.$$eval(selector, (all, attribute) => all.map((one) => one.getAttribute(attribute)), name),
  click: ({ selector }) => page.locator(selector).first().click(),
  fill: ({ selector, text }) => page.locator(selector).fill(text),
  focus: ({ selector }) => page.locator(selector).first().focus(),
  press: ({ key }) => page.keyboard.press(key),
  run: ({ script }) => page.evaluate(script),
  until,
  resize: ({ width, height }) => page.setViewportSize({ width, height }),
  screenshot: ({ path, full = false }) => page.screenshot({ path, fullPage: full }).then(() => null),
  findings: () => ({ errors, origins: [...origins] }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...options } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await commands[command](options)) ?? null };
  } catch (error) {
    answer = { error: String(error.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
