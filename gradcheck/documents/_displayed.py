"""Which LaTeX environments hold a formula, what their arguments are, and which are unknown but look like one."""

from __future__ import annotations

import re

ALIGNED = {"aligned", "alignedat", "split", "gathered", "multlined", "displaymath", "math", "empheq", "subequations"}
ALIGNED |= {
    name + star
    for name in (
        *("align", "alignat", "xalignat", "gather", "multline", "equation", "eqnarray", "flalign", "dmath"),
        *("IEEEeqnarray", "dgroup", "darray"),
    )
    for star in ("", "*")
} | {"xxalignat"}
_TEXT = {
    "document", "abstract", "figure", "table", "tabular", "tabularx", "tabulary", "longtable", "tabbing",
    "minipage", "center", "flushleft", "flushright", "quote", "quotation", "verse", "itemize", "enumerate",
    "description", "list", "trivlist", "theorem", "lemma", "proof", "definition", "corollary", "proposition",
    "remark", "example", "exercise", "frame", "block", "subfigure", "columns", "column", "tikzpicture", "picture",
    "pgfpicture", "axis", "algorithm", "algorithmic", "thebibliography", "titlepage", "appendix", "multicols",
    "landscape", "wrapfigure", "tcolorbox", "mdframed", "verbatim", "Verbatim", "lstlisting", "minted", "comment",
    "filecontents",
}  # fmt: skip
_FORMULA = re.compile(
    r"\\begin\s*\{(?P<name>[A-Za-z]+\*?)\}.*?\\end\s*\{(?P=name)\}"
    r"|\\[A-Za-z]+\s*\[[^\[\]]*\]|\\(?:label|ref|eqref|url|href)\s*\{[^{}]*\}"
    r"|\\\[.*?\\\]|\\\(.*?\\\)|\$\$.*?\$\$|\$.*?\$|(?P<literal>\\.)",
    re.DOTALL,
)
_MATHEMATICS = re.compile(r"[=^]|\\(?:frac|partial|nabla|approx|leq?|geq?|propto)(?![A-Za-z])")
_OPTION = r"(?:\s*\[(?:[a-z]|box=[^\[\]]*|left=\\empheql[a-z]+|right=\\empheqr[a-z]+|\s|,)*\])?"
_ARGUMENTS = {
    "empheq": re.compile(_OPTION + r"\s*\{[A-Za-z]+\*?(?:=\d+)?\}"),
    "IEEEeqnarray": re.compile(r"(?:\s*\[[^\[\]]*\])?\s*\{(?:[^{}]|\{[^{}]*\})*\}"),
    "alignat": re.compile(r"\s*\{\d+\}"),
}
_OPTIONS = re.compile(r"\A\s*\[[^\[\]]*\]")
_LONGEST = 4000  # characters of a formula
_POSITION = re.compile(r"\[[a-z]\]")


def body_start(environment: str, text: str, at: int) -> int:
    """Where the formula of an environment begins, behind its arguments; -1 if they cannot be read."""
    name = environment.removesuffix("*")
    name = "alignat" if "alignat" in name or name == "alignedat" else name
    arguments = _ARGUMENTS.get(name, _POSITION).match(text, at)
    if arguments is None:
        return -1 if name == "empheq" else at
    return arguments.end()


def is_unknown_display(environment: str, body: str) -> bool:
    """Whether an environment that is neither known nor one of text has mathematics outside of its formulas."""
    if environment in ALIGNED or environment.removesuffix("*") in _TEXT or len(body) > _LONGEST:
        return False
    bare = _FORMULA.sub(lambda match: match[0] if match["literal"] else " ", _OPTIONS.sub("", body))
    return _MATHEMATICS.search(bare) is not None
