// Finds the formulas of a Markdown document: $$..$$, fenced math, amsmath environments and inline $..$.

const blank = (text) => text.replace(/[^\n]/g, " ");

// Fences, comments and code hold no formulas, but for fences of math, which become $$..$$ on the lines they had.
const FENCE = /^([ >]*)(`{3,}|~{3,})([^\n]*)\n([\s\S]*?)(?:^[ >]*\2[`~]*[ ]*$|(?![\s\S]))/gm;
const HIDDEN = /<!--[\s\S]*?(?:-->|$)|(?<!\\)(`+)(?!`)[\s\S]*?(?<!`)\1(?!`)/g;

const prose = (markdown) =>
  markdown
    .replace(FENCE, (whole, _, mark, info, body) =>
      /^\{?math\b/.test(info.trim()) ? `$$${blank(info)}\n${body}$$` : blank(whole),
    )
    .replace(HIDDEN, blank);

const FORMULA =
  /(?<!\\)\$\$(?<display>[\s\S]*?)(?<!\\)\$\$|(?<environment>\\begin\{(?<name>(?:equation|align|alignat|gather|multline)\*?)\}[\s\S]*?\\end\{\k<name>\})|(?<![\\$])\$(?!\$)(?<inline>(?:[^$\n\\]|\\[\s\S]|\n(?!\s*\n))+)\$/g;

/** The formulas of a Markdown document, each {line, text, display}; the line counts from 1. */
export function formulasOf(markdown) {
  const text = prose(markdown);
  return [...text.matchAll(FORMULA)].map(({ index, groups }) => ({
    line: text.slice(0, index).split("\n").length,
    text: groups.display ?? groups.environment ?? groups.inline,
    display: groups.inline === undefined,
  }));
}
