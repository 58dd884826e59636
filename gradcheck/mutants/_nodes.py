"""What may stand in the place of a node: one function for each class of slips."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Node = ast.AST


@dataclass(frozen=True, slots=True)
class Change:
    """A short name, and what stands in a node's place; None for nothing."""

    name: str
    node: Node | None


Changes = Iterator[Change]
Rewrite = Callable[[Node], Changes]
ARITHMETIC: dict[type, type] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
COMPARED: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
}
PAIRS: tuple[str, ...] = (
    *("sh sw", "dh dw", "kh kw", "top left", "bottom right", "before after", "p q", "h k", "i j", "u v"),
    *("rows columns", "height width", "down across", "right down", "head tail"),
)
OTHER = {one: two for pair in map(str.split, PAIRS) for one, two in (pair, pair[::-1])}
OTHER_PLACE = {"0": (1,), "1": (0,)}
ENDS = {"maximum": "minimum", "minimum": "maximum", "max": "min", "min": "max"}
SUMS = {"sum": "mean", "mean": "sum"}
TRANSPOSED = ("swapaxes", "moveaxis", "transpose")
PLAIN = ("abs", "sqrt", "log", "exp", "square")  # functions whose argument could stand for their value
IGNORED = ("strict", "dtype")  # keywords that say nothing about the numbers
CLEARED = {"zeros": "_leftover", "zeros_like": "_leftover"}


def _title(kind: type) -> str:
    return kind.__name__.lower()


def _name(node: Node) -> str:
    """The last name of what is called: `sum` of `np.sum` and of `x.sum`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _numpy(node: Node) -> bool:
    """Whether a function is NumPy's, called by its module's name."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np"


def _renamed(call: ast.Call, name: str) -> ast.Call:
    function = call.func
    if isinstance(function, ast.Attribute) and not name.startswith("_"):
        function = ast.Attribute(function.value, name, ast.Load())
    else:
        function = ast.Name(name, ast.Load())
    return ast.Call(function, call.args, call.keywords)


def _shifted(bound: ast.expr, by: int) -> ast.expr:
    if isinstance(bound, ast.UnaryOp) and isinstance(bound.operand, ast.Constant):
        return ast.Constant(ast.literal_eval(bound) + by)
    return ast.BinOp(bound, ast.Add() if by > 0 else ast.Sub(), ast.Constant(abs(by)))


def arithmetic(node: Node) -> Changes:
    """Another sign between two terms, a product for a quotient."""
    if isinstance(node, ast.BinOp | ast.AugAssign) and (other := ARITHMETIC.get(type(node.op))):
        name = f"{_title(type(node.op))}->{_title(other)}"
        if isinstance(node, ast.BinOp):
            yield Change(name, ast.BinOp(node.left, other(), node.right))
        else:
            yield Change(name, ast.AugAssign(node.target, other(), node.value))


def sign(node: Node) -> Changes:
    """A minus dropped."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        yield Change("neg", node.operand)


def factor(node: Node) -> Changes:
    """A factor, a divisor or an exponent dropped."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div | ast.Pow):
        yield Change(f"{_title(type(node.op))}->left", node.left)
        if isinstance(node.op, ast.Mult):
            yield Change("mult->right", node.right)


def term(node: Node) -> Changes:
    """A term dropped."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield Change(f"{_title(type(node.op))}->left", node.left)
        right = node.right if isinstance(node.op, ast.Add) else ast.UnaryOp(ast.USub(), node.right)
        yield Change(f"{_title(type(node.op))}->right", right)


def constant(node: Node) -> Changes:
    """A number one more, one less, or twice as large."""
    own = node.value if isinstance(node, ast.Constant) else None
    if isinstance(own, int | float) and not isinstance(own, bool):
        for value in dict.fromkeys((own + 1, own - 1, 2 * own)):
            if value != own:
                yield Change(f"{own:g}->{value:g}", ast.Constant(value))


def comparison(node: Node) -> Changes:
    """A comparison with or without equality, or the other way round."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in COMPARED.get(type(node.ops[0]), ()):
            name = f"{_title(type(node.ops[0]))}->{_title(other)}"
            yield Change(name, ast.Compare(node.left, [other()], node.comparators))


def logic(node: Node) -> Changes:
    """And for or, a negation dropped."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
        yield Change("and->or" if isinstance(node.op, ast.BitAnd) else "or->and", _other_logic(node))
        yield Change("logic->left", node.left)
        yield Change("logic->right", node.right)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert | ast.Not):
        yield Change("not", node.operand)
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.BitOr):
        yield Change("or->and", ast.AugAssign(node.target, ast.BitAnd(), node.value))


def _other_logic(node: ast.BinOp) -> ast.BinOp:
    return ast.BinOp(node.left, ast.BitOr() if isinstance(node.op, ast.BitAnd) else ast.BitAnd(), node.right)


def branch(node: Node) -> Changes:
    """One of two branches always."""
    if isinstance(node, ast.IfExp):
        yield Change("if->then", node.body)
        yield Change("if->else", node.orelse)
    if isinstance(node, ast.Call) and _name(node.func) == "where" and len(node.args) == 3:
        yield Change("where->then", node.args[1])
        yield Change("where->else", node.args[2])
    if isinstance(node, ast.If):
        yield Change("if->never", ast.If(ast.Constant(False), node.body, node.orelse))


def axis(node: Node) -> Changes:
    """A reduction along another axis, or over one axis less."""
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg == "axis":
                other = ast.Call(ast.Name("_fewer_axes", ast.Load()), [keyword.value], [])
                rest = [ast.keyword("axis", other) if k is keyword else k for k in node.keywords]
                yield Change("axis", ast.Call(node.func, node.args, rest))


def transpose(node: Node) -> Changes:
    """Axes not swapped; factors of a matrix product the other way round."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield Change("T", node.value)
    if isinstance(node, ast.Call) and _name(node.func) in TRANSPOSED and isinstance(node.func, ast.Attribute):
        yield Change(node.func.attr, node.args[0] if _numpy(node.func) else node.func.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        yield Change("matmult", ast.BinOp(node.right, ast.MatMult(), node.left))


def slice_bound(node: Node) -> Changes:
    """A slice that starts or ends one too early or too late, or goes backwards no more."""
    if isinstance(node, ast.Slice) and (node.lower or node.upper):
        for by in (1, -1):
            lower = _shifted(node.lower or ast.Constant(0), by)
            if node.lower or by > 0:
                yield Change(f"lower{by:+}", ast.Slice(lower, node.upper, node.step))
            if node.upper:
                yield Change(f"upper{by:+}", ast.Slice(node.lower, _shifted(node.upper, by), node.step))
        if node.upper is None:
            yield Change("upper-1", ast.Slice(node.lower, ast.Constant(-1), node.step))
    elif isinstance(node, ast.Slice) and node.step:
        yield Change("step", ast.Slice(None, None, None))
    if isinstance(node, ast.Call) and _name(node.func) == "slice":
        for k in range(len(node.args)):
            for by in (1, -1):
                moved = [_shifted(arg, by) if place == k else arg for place, arg in enumerate(node.args)]
                yield Change(f"slice{k}{by:+}", ast.Call(node.func, moved, node.keywords))


def loop_bound(node: Node) -> Changes:
    """The first or the last turn of a loop left out."""
    if isinstance(node, ast.For):
        for name, bound in (("first", ast.Slice(ast.Constant(1), None)), ("last", ast.Slice(None, ast.Constant(-1)))):
            turns = ast.Call(ast.Name("list", ast.Load()), [node.iter], [])
            yield Change(name, ast.For(node.target, ast.Subscript(turns, bound, ast.Load()), node.body, node.orelse))


def other_axis(node: Node) -> Changes:
    """The height's number for the width."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        for other in OTHER_PLACE.get(ast.unparse(node.slice), ()):
            yield Change(f"at {1 - other}->{other}", ast.Subscript(node.value, ast.Constant(other), ast.Load()))
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in OTHER:
        yield Change(f"{node.id}->{OTHER[node.id]}", ast.Name(OTHER[node.id], ast.Load()))


def argument(node: Node) -> Changes:
    """A keyword left out."""
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg is not None and keyword.arg not in IGNORED:
                rest = [k for k in node.keywords if k is not keyword]
                yield Change(f"no {keyword.arg}", ast.Call(node.func, node.args, rest))


def statement(node: Node) -> Changes:
    """A statement left out that changes an array."""
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    writes = isinstance(node, ast.AugAssign) or isinstance(target, ast.Subscript)
    if writes or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield Change("dropped", None)


def overwritten(node: Node) -> Changes:
    """What should be added takes the place of what was there."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
        yield Change("overwritten", ast.Assign([node.target], node.value))


def reduction(node: Node) -> Changes:
    """A mean for a sum, a sum for a mean, an unbiased mean; what is not summed at all."""
    if isinstance(node, ast.Call) and (other := SUMS.get(_name(node.func))):
        yield Change(f"{_name(node.func)}->{other}", _renamed(node, other))
        if other == "sum" and isinstance(node.func, ast.Attribute) and not _numpy(node.func):
            plain = ast.Call(ast.Name("_unbiased_mean", ast.Load()), [node.func.value, *node.args], node.keywords)
            yield Change("mean->unbiased", plain)


def extremum(node: Node) -> Changes:
    """The least for the largest."""
    if isinstance(node, ast.Call) and (other := ENDS.get(_name(node.func))):
        yield Change(f"{_name(node.func)}->{other}", _renamed(node, other))


def function_dropped(node: Node) -> Changes:
    """An argument for the value of a function; a term of a root outside of it."""
    if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        name, inner = _name(node.func), node.args[0]
        if name in PLAIN:
            yield Change(name, inner)
        if name == "sqrt" and isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Add):
            root = ast.Call(node.func, [inner.left], [])
            yield Change("outside the root", ast.BinOp(root, ast.Add(), inner.right))


def aliasing(node: Node) -> Changes:
    """A copy that is none."""
    if isinstance(node, ast.Call) and _numpy(node.func) and _name(node.func) == "array":
        yield Change("array->asarray", _renamed(node, "asarray"))
    if isinstance(node, ast.Call) and _name(node.func) == "copy" and isinstance(node.func, ast.Attribute):
        yield Change("copy", node.func.value)


def uninitialised(node: Node) -> Changes:
    """Memory that is not cleared before it is added to."""
    if isinstance(node, ast.Call) and _numpy(node.func) and (other := CLEARED.get(_name(node.func))):
        yield Change(_name(node.func), _renamed(node, other))


REWRITES: tuple[tuple[str, Rewrite], ...] = (
    ("arithmetic", arithmetic),
    ("sign", sign),
    ("factor dropped", factor),
    ("term dropped", term),
    ("constant", constant),
    ("comparison", comparison),
    ("logic", logic),
    ("branch", branch),
    ("axis", axis),
    ("transpose", transpose),
    ("slice bound", slice_bound),
    ("loop bound", loop_bound),
    ("other axis", other_axis),
    ("argument dropped", argument),
    ("statement dropped", statement),
    ("overwritten", overwritten),
    ("reduction", reduction),
    ("extremum", extremum),
    ("function dropped", function_dropped),
    ("aliasing", aliasing),
    ("uninitialised", uninitialised),
)
