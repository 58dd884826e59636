"""A parser of the LaTeX subset, by recursive descent: text -> `gradcheck.documents._tree`.

    items   : chain (, chain)*            chain : sum (RELATION sum)*
    sum     : [SIGN] term (SIGN term)*    term  : factor ([OPERATOR] factor)*
    factor  : atom (_arg | ^arg | ')*

A big operator such as `\\sum` takes the rest of its term; nothing else is decided here: what juxtaposition means, which
letters are indices and what is a function is a matter of the symbols.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from gradcheck.documents._bars import bars_of
from gradcheck.documents._dots import multiplied, summed
from gradcheck.documents._environments import cases, joined, matrix
from gradcheck.documents._errors import Unparsed
from gradcheck.documents._grammar import (
    ACCENTS,
    BIG,
    BRACKETS,
    CONDITION_WORDS,
    CONJUNCTIONS,
    DISJUNCTIONS,
    EXTREMA,
    LETTERLIKE,
    OPERATORS,
    RELATIONS,
    opens_factor,
)
from gradcheck.documents._infinitesimals import fraction_of, operator_with, placed, with_slashes
from gradcheck.documents._records import Limit
from gradcheck.documents._scan import MATRICES, Token, scan
from gradcheck.documents._tree import (
    Accent,
    Big,
    Cases,
    Derivative,
    Fraction,
    Group,
    List,
    Name,
    Node,
    Number,
    Product,
    Relation,
    Root,
    Script,
    Such,
    Sum,
    Word,
)

DEPTH = 100
_TRANSPARENT = (Number, Name, Word, Accent, Script, Group, Fraction, Root, Cases)
_MARKS = {"*", "+", "-"}  # superscripts that are no operators: x^*


def parse(text: str, words: Collection[str] = ()) -> Node:
    """The tree of a formula: an expression, a `Relation` where it is a chain, a `List` where it has commas.

    Parameters
    ----------
    text
        LaTeX without delimiters, alignment marks and layout allowed; a full stop or comma at the end is ignored.
    words
        Names of several letters, such as `kh`, that are no products.

    Raises
    ------
    Unparsed
        With the offset of what is outside the grammar.
    Limit
        "limit-nesting" or "limit-size".
    """
    parser = Parser(scan(text.rstrip().rstrip(".,;").rstrip(), words))
    try:
        tree = parser.items(frozenset())
    except RecursionError:
        raise Limit("limit-nesting", f"nested too deeply; admitted: {DEPTH}") from None
    if parser.token.kind != "stop" or tree == List(()):
        raise Unparsed(f"unexpected {parser.token.text or 'end'!r}", parser.token.at)
    return tree


class Parser:
    """Reads tokens from left to right.

    Parameters
    ----------
    tokens
        As `scan` gives them.
    """

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.bars = bars_of(tokens)
        self.k = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        """The token at hand."""
        return self.tokens[self.k]

    def take(self, *texts: str, kind: str = "") -> Token | None:
        """The token at hand, if it is one of these texts and of this kind; then go on."""
        token = self.token
        if token.kind == "stop" or (texts and token.text not in texts) or (kind and token.kind != kind):
            return None
        self.k += 1
        return token

    def expect(self, text: str) -> Token:
        """The token at hand, which must have this text; then go on."""
        token = self.take(text)
        if token is None:
            raise Unparsed(f"expected {text!r}, got {self.token.text or 'the end'!r}", self.token.at)
        return token

    @property
    def bar(self) -> str:
        """What the bar at hand does: "open", "close", "given", "at"; "" where there is none."""
        return self.bars.get(self.k, "")

    def items(self, stops: frozenset[str]) -> Node:
        """Chains apart by commas, up to a token of `stops` or a closing bar."""
        self.depth += 1
        if self.depth > DEPTH:
            raise Limit("limit-nesting", f"nested deeper than {DEPTH}")
        start, given = self.token.at, None
        found: list[Node] = []
        joints: list[str] = []
        while not self._ends(stops):
            if self.token.text == ":" and len(joints) == len(found) and self.tokens[self.k + 1].text in {",", *stops}:
                found.append(Name(":", at=self.token.at))
                self.k += 1
                joints += self.separator()
                continue
            if self.token.text == ":" and found:
                found = [self._such(found, stops, start)]
                break
            found.append(self.chain())
            if self.bar == "given" and self.token.text == "\\|":
                self.k += 1  # D(p \\| q) has two arguments
            elif self.bar == "given" or (self.token.text == "\\mid" and "(" not in stops and ")" in stops):
                self.k, given = self.k + 1, len(found)
            elif joint := self.separator():
                joints += joint
            elif not self._ends(stops) and self.token.text != ":":
                raise Unparsed(f"unexpected {self.token.text!r}", self.token.at)
        self.depth -= 1
        return joined(found, joints, start) if given is None else List(tuple(found), given, at=start)

    def _ends(self, stops: frozenset[str]) -> bool:
        if self.bar:
            return self.bar == "close"
        return self.token.kind == "stop" or self.token.text in stops

    def separator(self) -> list[str]:
        """What sets two chains apart: "," for a comma or "and", "or"; nothing at anything else."""
        word = self.token.text if self.token.kind == "word" else ""
        if self.token.text in (",", ";", "\\wedge") or word in CONJUNCTIONS:
            self.k += 1
            return [","]
        if self.token.text == "\\vee" or word in DISJUNCTIONS:
            self.k += 1
            return ["or"]
        return []

    def _such(self, head: list[Node], stops: frozenset[str], at: int) -> Node:
        self.expect(":")
        return Such(head[0] if len(head) == 1 else List(tuple(head), at=at), self.items(stops), at=at)

    def chain(self) -> Node:
        """Sums between relations."""
        while self.token.kind == "word" and self.token.text in CONDITION_WORDS:
            self.k += 1
        operands, operators, at = [self.sum()], [], self.token.at
        while self.token.text in RELATIONS and (self.token.text != "\\mid" or not self.bar):
            operators.append(self.tokens[self.k].text)
            self.k += 1
            operands.append(self.sum())
        return Relation(tuple(operators), tuple(operands), at=operands[0].at or at) if operators else operands[0]

    def sum(self) -> Node:
        """Terms between signs."""
        at = self.token.at
        sign = self.take("+", "-", kind="symbol")
        signs, terms = [sign.text if sign else ""], [self._term()]
        while sign := self.take("+", "-", kind="symbol"):
            signs.append(sign.text)
            terms.append(self._term())
        signs, terms = summed(signs, terms)
        return terms[0] if signs == [""] else Sum(tuple(signs), tuple(terms), at=at)

    def _term(self) -> Node:
        at, operators, factors = self.token.at, list[str](), [self._factor()]
        while True:
            if self.bar == "at":
                factors = self._at(operators, factors)
                operators = operators[: len(factors) - 1]
                continue
            operator = self.take(*OPERATORS)
            if operator is None and not (opens_factor(self.token) or self.bar == "open"):
                break
            operators.append(operator.text if operator else "")
            factors.append(self._signed() if operator else self._factor())
        operators, factors = multiplied(*with_slashes(operators, factors))
        return factors[0] if len(factors) == 1 else Product(tuple(operators), tuple(factors), at=at)

    def _at(self, operators: list[str], factors: list[Node]) -> list[Node]:
        """The factors before `|_{x = 0}`, with the place."""
        self.k += 2
        return placed(operators, factors, self._argument())

    def _signed(self) -> Node:
        """A factor after an operator, which may have a sign."""
        at = self.token.at
        sign = self.take("+", "-", kind="symbol")
        factor = self._factor()
        return Group("{", Sum((sign.text,), (factor,), at=at), at=at) if sign else factor

    def _factor(self) -> Node:
        token = self.token
        if token.text in BIG and token.kind in ("command", "word"):
            return self._big(BIG[token.text])
        if token.text == "\\arg" and self.tokens[self.k + 1].text in ("\\max", "\\min"):
            self.k += 1
            return self._big("arg" + self.token.text[1:])
        if token.text == "\\underset":
            return self._underset()
        atom = self._atom()
        return self._scripted(atom, token.at)

    def _scripted(self, base: Node, at: int) -> Node:
        sub = sup = None
        primes = 0
        while True:
            if self.take("'", kind="symbol"):
                primes += 1
            elif mark := self.take("_", kind="symbol"):
                if sub is not None:
                    raise Unparsed("double subscript", mark.at)
                sub = self._argument()
            elif mark := self.take("^", kind="symbol"):
                argument = self._argument()
                if counted := _primes(argument):
                    primes += counted
                elif sup is not None:
                    raise Unparsed("double superscript", mark.at)
                else:
                    sup = argument
            else:
                break
        if operator := operator_with(base, sub, sup, at) if not primes else None:
            return operator
        return base if sub is None and sup is None and not primes else Script(base, sub, sup, primes, at=at)

    def _big(self, op: str) -> Node:
        at = self.token.at
        self.k += 1
        scripts = self._scripted(Name(op), at)
        sub, sup = (scripts.sub, scripts.sup) if isinstance(scripts, Script) else (None, None)
        if op in EXTREMA and sub is None:
            if op.startswith("arg"):
                raise Unparsed(f"{op} without an index below it", at)
            bare = Name("\\" + op, at=at)
            return Script(bare, sup=sup, at=at) if sup else bare
        return self._with_body(op, sub, sup, at)

    def _with_body(self, op: str, sub: Node | None, sup: Node | None, at: int) -> Node:
        if not (opens_factor(self.token) or self.bar == "open" or self.token.text in ("+", "-")):
            return Big(op, sub, sup, None, at=at)
        if op in EXTREMA and self.token.text in ("(", "[", "\\{"):
            return Big(op, sub, sup, self._factor(), at=at)
        if self.token.text in ("+", "-"):
            start, sign = self.token.at, self.expect(self.token.text).text
            signed = Sum((sign,), (self._term(),), at=start)
            return Big(op, sub, sup, Group("{", signed, at=start), at=at)
        return Big(op, sub, sup, self._term(), at=at)

    def _underset(self) -> Node:
        at = self.expect("\\underset").at
        below = self._argument()
        braces = self.take("{", kind="symbol")
        self.take("\\arg")
        op = BIG.get(self.token.text)
        if op is None:
            raise Unparsed("\\underset of something that is no operator", at)
        argument = "arg" if self.tokens[self.k - 1].text == "\\arg" else ""
        self.k += 1
        if braces:
            self.expect("}")
        return self._with_body(argument + op, below, None, at)

    def _argument(self) -> Node:
        """What a command or a script takes: a group in braces, or a single token."""
        token = self.token
        if token.text == "{" and token.kind == "symbol":
            self.k += 1
            if self.token.text in _MARKS and self.tokens[self.k + 1].text == "}":
                self.k += 2
                return Name(self.tokens[self.k - 2].text, at=token.at)
            inner = self.items(frozenset({"}"}))
            self.expect("}")
            return inner
        if token.kind == "number" and len(token.text) > 1:
            self.tokens[self.k] = replace(token, text=token.text[1:], at=token.at + 1)
            return Number(token.text[0], at=token.at)
        if token.text in _MARKS:
            self.k += 1
            return Name(token.text, at=token.at)
        return self._atom()

    def _atom(self) -> Node:
        token = self.token
        self.k += 1
        at = token.at
        if self.bars.get(self.k - 1) == "open":
            return self._bracketed(token, token.text)
        match token.kind:
            case "number":
                return Number(token.text, at=at)
            case "name":
                return Name(token.text, at=at)
            case "word":
                return Word(token.text, token.command, at=at)
            case "begin" if token.text == "cases":
                return cases(self, at)
            case "begin" if token.text in MATRICES:
                return matrix(self, token.text, at)
        if token.text in BRACKETS:
            return self._bracketed(token, BRACKETS[token.text])
        if token.kind == "command":
            return self._command(token)
        self.k -= 1
        raise Unparsed(f"unexpected {token.text or 'end'!r}", at)

    def _bracketed(self, opening: Token, closing: str) -> Node:
        kind = {"\\lvert": "|", "\\lVert": "\\|", "\\lbrack": "["}.get(opening.text, opening.text)
        if kind == "{":
            return self._braces(opening)
        body = self.items(frozenset({closing}))
        if self.bars.get(self.k) == "close" and closing == self.token.text:
            self.k += 1
        else:
            self.expect(closing)
        norm = body.body if kind == "|" and isinstance(body, Group) and body.kind == "|" else None
        return Group(kind, body, at=opening.at) if norm is None else Group("\\|", norm, at=opening.at)

    def _braces(self, opening: Token) -> Node:
        body = self.items(frozenset({"}"}))
        self.expect("}")
        whole = isinstance(body, Derivative) and body.of is not None and not body.slash
        return body if isinstance(body, _TRANSPARENT) or whole else Group("{", body, at=opening.at)

    def _command(self, token: Token) -> Node:
        at = token.at
        match token.text:
            case "\\frac":
                over, under = self._argument(), self._argument()
                return fraction_of(over, under, at)
            case "\\sqrt":
                degree = None
                if self.take("[", kind="symbol"):
                    degree = self.items(frozenset({"]"}))
                    self.expect("]")
                return Root(self._argument(), degree, at=at)
            case "\\substack" | "\\boxed" | "\\mathop" | "\\mathrel" | "\\mathbin" | "\\mathstrut":
                body = self._argument()
                return body if isinstance(body, _TRANSPARENT) else Group("{", body, at=at)
            case "\\underbrace" | "\\overbrace":
                return self._braced(at)
        if token.text in ACCENTS:
            return Accent(token.text, self._argument(), at=at)
        if token.text in LETTERLIKE:
            return Name(token.text, at=at)
        raise Unparsed(f"unknown command {token.text}", at)

    def _braced(self, at: int) -> Node:
        """`\\underbrace{body}_{remark}` means its body."""
        body = self._argument()
        while self.take("_", "^", kind="symbol"):
            self._argument()
        return body if isinstance(body, _TRANSPARENT) else Group("{", body, at=at)


def _primes(node: Node) -> int:
    if isinstance(node, Name) and node.text == "\\prime":
        return 1
    if isinstance(node, Product) and all(isinstance(part, Name) and part.text == "\\prime" for part in node.factors):
        return len(node.factors)
    return 0
