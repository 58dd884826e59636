"""Trees back to LaTeX that can be pasted: `parse(write(tree)) == tree`."""

from __future__ import annotations

from gradcheck.documents._grammar import BRACKETS
from gradcheck.documents._tree import (
    Accent,
    At,
    Big,
    Cases,
    Derivative,
    Either,
    Fraction,
    Group,
    List,
    Matrix,
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
    substituted,
)

_CLOSING = BRACKETS | {"|": "|", "\\|": "\\|"}
_NAMES = {"sum": "\\sum", "prod": "\\prod", "max": "\\max", "min": "\\min", "int": "\\int", "lim": "\\lim"}
_TALL = (Fraction, Big, Cases, Root, Derivative)


def write(tree: Node) -> str:
    """LaTeX for a tree."""
    match tree:
        case Number(text=text) | Name(text=text):
            return text
        case Word(text=text, command=command):
            return f"{command}{{{text}}}"
        case Accent(command=command, body=body):
            return f"{command}{{{write(body)}}}"
        case Script():
            return _script(tree)
        case Group(kind=kind, body=body):
            return _group(kind, body)
        case List(items=items, given=given):
            texts = [write(item) for item in items]
            if given is None:
                return ", ".join(texts)
            return ", ".join(texts[:given]) + " | " + ", ".join(texts[given:])
        case Sum(signs=signs, terms=terms):
            rest = "".join(f" {sign} {write(term)}" for sign, term in zip(signs[1:], terms[1:], strict=True))
            return f"{signs[0]}{write(terms[0])}{rest}"
        case Product(operators=operators, factors=factors):
            pairs = zip(operators, factors[1:], strict=True)
            return " ".join([write(factors[0]), *(f"{op} {write(factor)}".strip() for op, factor in pairs)])
        case Fraction(over=over, under=under):
            return f"\\frac{{{write(over)}}}{{{write(under)}}}"
        case Derivative():
            return _derivative(tree)
        case Root(body=body, degree=degree):
            order = "" if degree is None else f"[{write(degree)}]"
            return f"\\sqrt{order}{{{write(body)}}}"
        case Big():
            return _big(tree)
        case Cases(values=values, conditions=conditions):
            return _cases(values, conditions)
        case Relation(operators=operators, operands=operands):
            pairs = zip(operators, operands[1:], strict=True)
            return " ".join([write(operands[0]), *(f"{op} {write(operand)}" for op, operand in pairs)])
        case Either(items=items):
            return " \\text{ or } ".join(map(write, items))
        case Matrix(entries=entries, columns=columns, style=style):
            rows = [entries[k : k + columns] for k in range(0, len(entries), columns)]
            inside = " \\\\ ".join(" & ".join(map(write, row)) for row in rows)
            return f"\\begin{{{style}}} {inside} \\end{{{style}}}"
        case At(body=body, place=place):
            return f"\\left. {write(body)} \\right|_{{{write(place)}}}"
        case Such(head=head, condition=condition):
            return f"{write(head)} : {write(condition)}"
    raise TypeError(f"tree: got {type(tree).__name__}; admitted: a node of a formula")


def _script(node: Script) -> str:
    base = write(node.base)
    if isinstance(node.base, Script) or (isinstance(node.base, Group) and node.base.kind == "{"):
        base = f"{{{base}}}" if isinstance(node.base, Script) else base
    sub = "" if node.sub is None else f"_{{{write(node.sub)}}}"
    sup = "" if node.sup is None else f"^{{{write(node.sup)}}}"
    return base + "'" * node.primes + sub + sup


def _group(kind: str, body: Node) -> str:
    if kind == "{":
        return f"{{{write(body)}}}"
    tall = kind in ("(", "[", "\\{", "|", "\\|") and any(isinstance(node, _TALL) for node in _inside(body))
    opening, closing = ("\\left", "\\right") if tall else ("", "")
    blank = " " if kind.startswith("\\l") else ""
    return f"{opening}{kind}{blank}{write(body)}{blank}{closing}{_CLOSING[kind]}"


def _inside(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Sum):
        return tuple(part for term in node.terms for part in _inside(term))
    return node.factors if isinstance(node, Product) else (node,)


def _derivative(node: Derivative) -> str:
    sign = f"{node.sign} "
    of = "" if node.of is None else write(node.of)
    if node.sign in ("\\nabla", "\\partial_"):
        return f"{node.sign.rstrip('_')}_{{{write(node.by)}}} {of}".strip()
    if node.slash:
        return f"{sign}{of} / {sign}{write(node.by)}"
    return f"\\frac{{{(sign + of).strip()}}}{{{sign}{write(node.by)}}}"


def _big(node: Big) -> str:
    if node.op == "list":
        return _listed(node)
    name = _NAMES.get(node.op, f"\\operatorname{{{node.op}}}")
    sub = "" if node.sub is None else f"_{{{write(node.sub)}}}"
    sup = "" if node.sup is None else f"^{{{write(node.sup)}}}"
    return f"{name}{sub}{sup} {'' if node.body is None else write(node.body)}".rstrip()


def _listed(node: Big) -> str:
    """`x_1, \\dots, x_n`."""
    ends = [node.sub.operands[1], node.sup] if isinstance(node.sub, Relation) else []
    letter = node.sub.operands[0] if isinstance(node.sub, Relation) else None
    texts = [write(substituted(node.body, letter, end)) for end in ends if node.body and letter and end]
    return ", \\dots, ".join(texts)


def _cases(values: tuple[Node, ...], conditions: tuple[Node | None, ...]) -> str:
    texts = ["\\text{otherwise}" if condition is None else write(condition) for condition in conditions]
    rows = [f"{write(value)} & {text}" for value, text in zip(values, texts, strict=True)]
    return "\\begin{cases} " + " \\\\ ".join(rows) + " \\end{cases}"
