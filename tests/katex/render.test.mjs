import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { formulasOf } from "./formulas.mjs";

const found = (markdown) => formulasOf(markdown).map(({ line, text, display }) => [line, text.trim(), display]);

function render(markdown) {
  const file = join(mkdtempSync(join(tmpdir(), "render-")), "page.md");
  writeFileSync(file, markdown);
  const run = spawnSync(process.execPath, [join(import.meta.dirname, "render.mjs"), file], { encoding: "utf8" });
  return { status: run.status, errors: run.stderr.replaceAll(file, "page.md"), summary: run.stdout.trim() };
}

test("displays, inline formulas, fences of math and environments are found on their lines", () => {
  const page = "a $x$\n\n$$\ny\n$$ (label)\n\n```math\nz\n```\n\n\\begin{align}\nw &= 1\n\\end{align}\n";
  assert.deepEqual(found(page), [
    [1, "x", false],
    [3, "y", true],
    [7, "z", true],
    [11, "\\begin{align}\nw &= 1\n\\end{align}", true],
  ]);
});

test("an inline formula may go on in the next line, but not over a blank one", () => {
  assert.deepEqual(found("$a\n+ b$\n\ncosts 5$\n\nand $c$"), [
    [1, "a\n+ b", false],
    [6, "c", false],
  ]);
});

test("code, comments and escaped dollars are no formulas", () => {
  assert.deepEqual(found("`$a$`\n\n```python\n$b$\n```\n<!-- gradcheck\nshapes: $c$ -->\n\\$5 or \\$6"), []);
});

test("a formula that KaTeX refuses is named with its line", () => {
  const { status, errors, summary } = render("$x$\n\n$$\n\\frac{1}{\n$$\n");
  assert.equal(status, 1);
  assert.match(errors, /^page\.md:3: KaTeX parse error/);
  assert.equal(summary, "2 formulas in 1 files, 1 not rendered");
});

test("what a typesetter would only warn of is refused too", () => {
  assert.equal(render("$é$").status, 1);
  assert.equal(render("$\\unknown$").status, 1);
});

test("a page that renders gives 0, a page without formulas 1", () => {
  assert.equal(render("$x$").status, 0);
  assert.equal(render("no formula").status, 1);
});
