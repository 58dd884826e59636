"""The layout of a display: what is blanked without changing any offset, and the marks at which it comes apart."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gradcheck.documents._displayed import ALIGNED, body_start

LONGEST = 100_000  # characters of a display
DEEPEST = 200
RELATIONS = {
    ":=": ":=", "\\coloneqq": ":=", "\\coloneq": ":=", "\\triangleq": ":=", "\\doteq": ":=", "=": "=", "==": "=",
    "\\equiv": "=", "\\leftarrow": "\\leftarrow", "\\gets": "\\leftarrow", "<-": "\\leftarrow",
    "\\longleftarrow": "\\leftarrow", "+=": "+=", "-=": "-=", "<": "<", "\\lt": "<", ">": ">", "\\gt": ">",
    "<=": "\\leq", "\\leq": "\\leq", "\\le": "\\leq", "\\leqslant": "\\leq", "\\leqq": "\\leq", "≤": "\\leq",
    ">=": "\\geq", "\\geq": "\\geq", "\\ge": "\\geq", "\\geqslant": "\\geq", "\\geqq": "\\geq", "≥": "\\geq",
    "\\neq": "\\neq", "\\ne": "\\neq", "!=": "\\neq", "≠": "\\neq", "\\in": "\\in", "∈": "\\in", "\\notin": "\\notin",
    "\\ni": "\\ni", "\\subset": "\\subset", "\\subseteq": "\\subseteq", "\\supset": "\\supset",
    "\\supseteq": "\\supseteq", "\\approx": "\\approx", "\\simeq": "\\simeq", "\\cong": "\\cong", "\\sim": "\\sim",
    "\\propto": "\\propto", "\\ll": "\\ll", "\\gg": "\\gg", "\\to": "\\rightarrow", "\\rightarrow": "\\rightarrow",
    "->": "\\rightarrow", "\\longrightarrow": "\\rightarrow", "\\mapsto": "\\mapsto", ":": ":", "\\colon": ":",
}  # fmt: skip
_ARROWS = (
    "Rightarrow|implies|Longrightarrow|iff|Leftrightarrow|Longleftrightarrow|therefore|because|Leftarrow|impliedby"
)
_END = r"(?![A-Za-z])"
_TOKEN = re.compile(
    r"(?P<comment>%[^\n]*)"
    r"|(?P<env>\\(?P<side_of_env>begin|end)\s*\{\s*(?P<name>[A-Za-z]+\*?)\s*\})"
    r"|(?P<row>\\\\\*?(?:[ \t]*\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm|in|mu|\\[A-Za-z]+)\s*\])?"
    r"|\\(?:cr|newline)" + _END + ")"
    r"|(?P<side>\\(?P<which>left|right|middle)" + _END + r"\s*(?P<delimiter>\\[A-Za-z]+|\\.|\S))"
    r"|(?P<blank>\\(?:[,;:!>/ \n]|(?:[bB]igg?[lrm]?|limits|nolimits|nonumber|notag|qedhere|qed|displaystyle|textstyle"
    r"|scriptstyle|IEEE(?:yes|no)(?:sub)?number|IEEEeqnarraynumspace"
    r"|thinspace|medspace|thickspace|negthinspace|mathstrut|strut|allowbreak|nobreak|noindent|centering|hline)"
    + _END + r")|~)"
    r"|(?P<quad>\\(?:qquad|quad|enspace|enskip|hfill|hfil)" + _END + ")"
    r"|(?P<gap>\\(?:hspace|hskip|kern|mspace)\*?\s*(?:\{[^{}]*\}|[-\d.]+\s*[a-z]{2}))"
    r"|(?P<dropped>\\(?:label|tag|eqref|ref|phantom|hphantom|vphantom|vspace|raisetag|cite|footnote)\*?\s*)(?=\{)"
    r"|(?P<between>\\(?:intertext|shortintertext)\s*)(?=\{)"
    r"|(?P<text>\\(?:text|textrm|textit|textnormal|textbf|mbox|hbox|mathrm)\s*)(?=\{)"
    r"|(?P<wrapper>\\(?:boxed|fbox)\s*\{)"
    r"|(?P<coloured>\\(?:textcolor|colorbox|color)\s*)(?=\{)"
    r"|(?P<stacked>\\(?:stackrel|overset|underset)\s*)(?=\{)"
    r"|(?P<braced>\\(?:underbrace|overbrace|underbracket|overbracket)\s*)(?=\{)"
    r"|(?P<substack>\\substack\s*\{)"
    r"|(?P<arrow>\\(?:" + _ARROWS + ")" + _END + ")"
    r"|(?P<forall>\\forall" + _END + ")"
    r"|(?P<open>\\(?:\{|(?:lbrace|langle|lfloor|lceil|lvert|lVert)" + _END + r")|[({\[])"
    r"|(?P<close>\\(?:\}|(?:rbrace|rangle|rfloor|rceil|rvert|rVert)" + _END + r")|[)}\]])"
    r"|(?P<command>\\(?:[A-Za-z]+|.))"
    r"|(?P<relation>:=|<=|>=|==|!=|->|<-|[-+]=|[=<>:≤≥≠∈])"
    r"|(?P<comma>[,;])"
    r"|(?P<cell>&)",
    re.DOTALL,
)  # fmt: skip
_PAIRS = {")": "(", "]": "(", "}": "{", "\\}": "\\{", "\\rbrace": "\\{", "\\rangle": "\\langle", "\\rfloor": "\\lfloor",
          "\\rceil": "\\lceil", "\\rvert": "\\lvert", "\\rVert": "\\lVert"}  # fmt: skip
_OPENS = {"[": "(", "\\lbrace": "\\{"}
_STARTS_CHAIN = re.compile(r"\s*(?:&\s*)*(?::?=|\\(?:leq?|geq?|approx|leftarrow|equiv)(?![A-Za-z]))")
_SYSTEM = re.compile(r"\s*\\begin\{(?:aligned|alignedat|gathered|split)\}")
_CONDITION = re.compile(r"(?:and |or )?(?:for|if|when|whenever|unless|provided|such that|s\.t\.)(?:\b|$)")
_JOINER = re.compile(r"(?:where|with|and|so|hence|thus|then|therefore|i\.e\.?|that is|or|let)(?:\b|$)")
_REMARK = re.compile(r"[(\[]|.*\s|by\b|since\b|using\b|from\b")
_LAST = re.compile(r"\s*(?:[.,;]|\\q?quad|&|\\\\|\\end|\\tag|\\label|\}?\s*$)")


@dataclass(frozen=True, slots=True)
class Mark:
    """A place outside all brackets: a relation, comma, quad, row, cell, word, condition or arrow, and which."""

    kind: str
    start: int
    end: int
    value: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """`text` is blanked and as long as the display's; `fault` is a message, an offset and a cause."""

    text: str
    marks: tuple[Mark, ...]
    fault: tuple[str, int, str | None] | None = None


class _Broken(Exception):
    def __init__(self, message: str, at: int, cause: str | None = None) -> None:
        super().__init__(message)
        self.fault = message, at, cause


@dataclass(slots=True)
class _Open:
    kind: str  # "{", "(", "\\{", ..., "left", "env NAME", "wrapper", "substack", "braced"
    at: int
    counts: bool = True

    @property
    def hard(self) -> bool:
        return self.kind in ("{", "wrapper", "substack", "braced") or self.kind.startswith("env")


@dataclass(slots=True)
class _Walk:
    text: str
    out: list[str]
    marks: list[Mark] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    depth: int = 0

    def blank(self, start: int, end: int) -> None:
        """Blank a stretch, line ends kept."""
        self.out[start:end] = [char if char == "\n" else " " for char in self.text[start:end]]

    def mark(self, kind: str, start: int, end: int, value: str = "") -> None:
        """Note a mark, outside all brackets alone."""
        if not self.depth:
            self.marks.append(Mark(kind, start, end, value))

    def push(self, kind: str, at: int, counts: bool = True) -> None:
        """Open a bracket."""
        if len(self.stack) >= DEEPEST:
            raise _Broken(f"nested deeper than {DEEPEST}", at, "limit-nesting")
        self.stack.append(_Open(kind, at, counts))
        self.depth += counts

    def pop(self, kinds: tuple[str, ...]) -> _Open | None:
        """Close the nearest bracket of a kind that no brace or environment hides, and what is open inside it."""
        for k in range(len(self.stack) - 1, -1, -1):
            if self.stack[k].kind in kinds:
                found = self.stack[k]
                self.depth -= sum(one.counts for one in self.stack[k:])
                del self.stack[k:]
                return found
            if self.stack[k].hard:
                return None
        return None

    def group(self, at: int) -> int:
        """The end of the group that opens at `at`."""
        depth = 0
        for match in re.compile(r"\\.|[{}]", re.DOTALL).finditer(self.text, at):
            depth += (match[0] == "{") - (match[0] == "}")
            if not depth and match[0] == "}":
                return match.end()
        raise _Broken("{ is not closed", at)

    def keeps_rows(self) -> bool:
        """Whether & and \\\\ belong to the brackets around (cases, a matrix, substack)."""
        inner = next(
            (one for one in reversed(self.stack) if one.kind.startswith("env") or one.kind == "substack"), None
        )
        return inner is not None and inner.kind.removeprefix("env ") not in ALIGNED


def layout_of(text: str) -> Layout:
    """Blank what is layout and find the marks; a fault where brackets do not fit or a limit is reached."""
    if len(text) > LONGEST:
        fault = f"a display of {len(text)} characters; admitted: {LONGEST}", 0, "limit-size"
        return Layout(text, (), fault)
    walk = _Walk(text, list(text))
    at = 0
    try:
        while match := _TOKEN.search(text, at):
            at = _step(walk, match, str(match.lastgroup))
        opened = next((one for one in walk.stack if one.hard), None)
        if opened:
            name = f"\\begin{{{opened.kind[4:]}}}" if opened.kind.startswith("env") else "{"
            raise _Broken(f"{name} is not closed", opened.at)
    except _Broken as broken:
        return Layout(text, (), broken.fault)
    return Layout("".join(walk.out), tuple(walk.marks))


def _step(walk: _Walk, match: re.Match[str], kind: str) -> int:
    """Deal with one token; where to go on."""
    start, end = match.span()
    found = match[0]
    match kind:
        case "comment" | "blank":
            walk.blank(start, end)
        case "env":
            return _environment(walk, match)
        case "row" | "cell" if not walk.keeps_rows():
            if (
                kind == "row"
                and _STARTS_CHAIN.match(walk.text, end)
                and not any(one.hard and one.counts for one in walk.stack)
            ):
                walk.stack = [one for one in walk.stack if not one.counts]
                walk.depth = 0
            walk.blank(start, end)
            walk.mark(kind, start, end)
        case "side":
            _side(walk, match)
        case "quad" | "gap":
            walk.blank(start, end)
            walk.mark("quad", start, end, kind)
        case "dropped":
            end = walk.group(end)
            walk.blank(start, end)
        case "between":
            end = walk.group(end)
            walk.blank(start, end)
            walk.mark("row", start, end)
        case "text":
            return _text(walk, start, end)
        case "wrapper":
            if not walk.depth:
                walk.blank(start, end)
            walk.push("wrapper", start, counts=walk.depth > 0)
        case "coloured":
            end = walk.group(end)
            walk.blank(start, end)
        case "stacked":
            return _stacked(walk, start, end)
        case "braced":
            walk.blank(start, end)
            walk.push("braced", start)
            return end + 1
        case "substack":
            walk.push("substack", start)
        case "arrow":
            walk.mark("arrow", start, end, found)
        case "forall":
            walk.mark("condition", start, end, "for")
        case "open":
            walk.push(_OPENS.get(found, found), start)
        case "close":
            return _close(walk, start, end)
        case "relation" | "command" if found in RELATIONS:
            walk.mark("relation", start, end, RELATIONS[found])
        case "comma":
            walk.mark("comma", start, end)
    return end


def _environment(walk: _Walk, match: re.Match[str]) -> int:
    start, end = match.span()
    name = match["name"]
    if match["side_of_env"] == "begin":
        end = body_start(name, walk.text, end) if name in ALIGNED else end
        if end < 0:
            raise _Broken(f"the arguments of {name} cannot be read", start)
        walk.push(f"env {name}", start, counts=name not in ALIGNED)
    elif walk.pop(("env " + name,)) is None:
        raise _Broken(f"\\end{{{name}}} closes nothing", start)
    if name in ALIGNED:
        walk.blank(start, end)
    return end


def _side(walk: _Walk, match: re.Match[str]) -> None:
    """\\left and \\right go, and so do their dots, and the brace of a system of equations."""
    start, end = match.span()
    which, delimiter = match["which"], match["delimiter"]
    opened = walk.pop(("left",)) if which == "right" else None
    system = which == "left" and delimiter in ("\\{", ".") and _SYSTEM.match(walk.text, end) is not None
    whole = delimiter == "." or system or (opened is not None and not opened.counts)
    walk.blank(start, end if whole else match.start("delimiter"))
    if which == "left":
        walk.push("left", start, not system)


def _close(walk: _Walk, start: int, end: int) -> int:
    found = walk.text[start:end]
    if found != "}":
        walk.pop((_PAIRS[found],))
        return end
    opened = walk.pop(("{", "wrapper", "substack", "braced"))
    if opened is None:
        raise _Broken("} closes nothing", start)
    if opened.kind == "wrapper" and not opened.counts:
        walk.blank(start, end)
    if opened.kind == "braced" and (note := re.compile(r"\s*[_^]\s*(?=\{)").match(walk.text, end)):
        after = walk.group(note.end())
        walk.blank(note.start(), after)
        return after
    return end


def _stacked(walk: _Walk, start: int, end: int) -> int:
    """`\\overset{!}{=}` is the relation; anything else stays."""
    first = walk.group(end)
    base = re.compile(r"\s*\{").match(walk.text, first)
    if base is None:
        return end
    last = walk.group(base.end() - 1)
    relation = RELATIONS.get(walk.text[base.end() : last - 1].strip())
    if relation is None:
        return end
    defined = re.search(r"def|\\triangle|\\Delta", walk.text[end:first])
    walk.mark("relation", start, last, ":=" if defined and relation == "=" else relation)
    return last


def _text(walk: _Walk, start: int, end: int) -> int:
    """A word that ties statements together is a mark, a remark is blanked, a name stays."""
    last = walk.group(end)
    inner = walk.text[end + 1 : last - 1]
    words = " ".join(inner.lower().strip(" \t\n,;").split())
    known = _CONDITION.match(words), _JOINER.match(words)
    is_text = not walk.text.startswith("\\mathrm", start) or words == (known[0] or known[1] or [""])[0]
    if walk.depth and walk.keeps_rows() and "$" in inner:
        _condition_in(walk, end + 1, last)
    if walk.depth or not is_text:
        return last
    if known[0] or known[1]:
        walk.blank(start, last)
        walk.mark("condition" if known[0] else "word", start, end + 1, words.split()[0])
        _formulas_in(walk, end + 1, last - 1)
    elif words.endswith(":") or (_REMARK.match(words) and _LAST.match(walk.text, last)):
        walk.blank(start, last)
    return last


def _condition_in(walk: _Walk, start: int, end: int) -> None:
    """`\\text{if $x>0$ and $y>0$}` in a row of cases: the words around the formulas, and the formulas themselves."""
    places = [at for at in range(start, end - 1) if walk.text[at] == "$"]
    if len(places) % 2:
        return
    walk.out[places[0]], walk.out[end - 1] = "}", " "
    walk.out[places[-1]] = " "
    walk.blank(places[-1], end)
    for left, right in zip(places[1:-1:2], places[2::2], strict=True):
        words = walk.text[left + 1 : right].split()
        walk.blank(left, right + 1)
        joint = "\\vee" if "or" in words else ","
        walk.out[left : left + len(joint)] = joint


def _formulas_in(walk: _Walk, start: int, end: int) -> None:
    """`\\text{if $x>0$}`: what stands between the dollars is read on."""
    for k, formula in enumerate(re.compile(r"\$([^$]+)\$").finditer(walk.text, start, end)):
        inner = layout_of(formula[1])
        at = formula.start(1)
        walk.out[at : formula.end(1)] = inner.text
        walk.marks += [Mark("comma", at - 1, at)] if k else []
        walk.marks += [Mark(mark.kind, at + mark.start, at + mark.end, mark.value) for mark in inner.marks]
