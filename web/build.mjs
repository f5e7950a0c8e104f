// SPDX-License-Identifier: Apache-2.0
// npm run build -- --outdir=DIR: the page as the server gives it out: index.html at /, everything else at /ui/.
import { copyFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({ options: { outdir: { type: "string", default: join(here, "dist") } } });
const outdir = values.outdir;

await build({
  entryPoints: [join(here, "src/app.ts"), join(here, "src/app.css")],
  outdir,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  loader: { ".woff2": "file" },
  assetNames: "[name]",
  publicPath: "/ui/",
  legalComments: "none",
  logLevel: "warning",
});
mkdirSync(outdir, { recursive: true });
copyFileSync(join(here, "src/index.html"), join(outdir, "index.html"));
copyFileSync(join(here, "src/icon.svg"), join(outdir, "icon.svg"));
// The typeface's licence goes wherever the typeface goes.
copyFileSync(join(here, "node_modules/@fontsource-variable/inter/LICENSE"), join(outdir, "inter-license.txt"));
