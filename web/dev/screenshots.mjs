// SPDX-License-Identifier: Apache-2.0
// npm run screenshots -- --server=URL [--outdir=../docs/screenshots]: pictures of the page that a server shows.
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { chromium } from "playwright-core";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({ options: { server: { type: "string", default: "http://127.0.0.1:8080/" }, outdir: { type: "string", default: join(root, "../docs/screenshots") } } });

const kPictures = [
  { name: "traffic-light", width: 1280, height: 800, theme: "light" },
  { name: "traffic-dark", width: 1280, height: 800, theme: "dark" },
  { name: "quality-light", width: 1280, height: 800, theme: "light", at: "#quality" },
  { name: "drift-dark", width: 1280, height: 800, theme: "dark", at: "#drift" },
  { name: "models-light", width: 1280, height: 800, theme: "light", at: "#models" },
  { name: "narrow-light", width: 390, height: 844, theme: "light" },
  { name: "narrow-dark", width: 390, height: 844, theme: "dark", at: "#quality" },
];

mkdirSync(values.outdir, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.SLIPWAY_CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
for (const { name, width, height, theme, at } of kPictures) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: theme, reducedMotion: "reduce" });
  await page.goto(values.server);
  // Until the distributions of the newest window are there, nothing of the page is still to come.
  await page.waitForSelector("#drift .bins tbody tr, #drift .empty");
  await page.waitForTimeout(1000);
  if (at) await page.$eval(at, (section) => section.scrollIntoView());
  await page.screenshot({ path: join(values.outdir, `${name}.png`) });
  await page.close();
}
await browser.close();
