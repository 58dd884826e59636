// Renders every formula of Markdown documents with KaTeX: node render.mjs FILE...
// Prints FILE:LINE and KaTeX's message for each that fails, and exits 1; also where there is no formula at all.

import { readFileSync } from "node:fs";
import katex from "katex";
import { formulasOf } from "./formulas.mjs";

const LONGEST = 300;
const files = process.argv.slice(2);
let count = 0;
let failures = 0;

for (const file of files) {
  for (const { line, text, display } of formulasOf(readFileSync(file, "utf8"))) {
    count += 1;
    try {
      katex.renderToString(text, { displayMode: display, throwOnError: true, strict: "error" });
    } catch (error) {
      failures += 1;
      console.error(`${file}:${line}: ${error.message.slice(0, LONGEST)}`);
    }
  }
}

console.log(`${count} formulas in ${files.length} files, ${failures} not rendered`);
process.exitCode = count === 0 || failures > 0 ? 1 : 0;
