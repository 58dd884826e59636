"""Formulas as trees: what is parsed, what is refused and where, and that a tree written down again is the same tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.documents._errors import Unparsed
from gradcheck.documents._parse import DEPTH, parse
from gradcheck.documents._records import Display, Limit
from gradcheck.documents._scan import LONGEST, TOKENS
from gradcheck.documents._statements import statements_of
from gradcheck.documents._subscripts import letters
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
    at_path,
    children,
    replaced,
    shifted,
    walk,
)
from gradcheck.documents._write import write

WORDS = ("kh", "kw", "xch", "bh", "bw", "TV")
x, y, i, j, k = (Name(letter) for letter in "xyijk")

READ = {
    "x_{ij}": Script(x, Product(("",), (i, j))),
    "x_{i,j}": Script(x, List((i, j))),
    "x^2_i": Script(x, i, Number("2")),
    "x_i'": Script(x, i, None, 1),
    "f''": Script(Name("f"), primes=2),
    r"x^{\prime}": Script(x, primes=1),
    "kh x": Product(("",), (Name("kh"), x)),
    "kx": Product(("",), (k, x)),
    r"\frac12": Fraction(Number("1"), Number("2")),
    "x_10": Product(("",), (Script(x, Number("1")), Number("0"))),
    "{{x_i}}": Script(x, i),
    "{x_i}^2": Script(Script(x, i), None, Number("2")),
    r"\left( x \right)": Group("(", x),
    "-x + y": Sum(("-", "+"), (x, y)),
    r"x \cdot -y": Product(("\\cdot",), (x, Group("{", Sum(("-",), (y,))))),
    r"\sum_i x_i + y": Sum(("", "+"), (Big("sum", i, None, Script(x, i)), y)),
    r"\sum_{i=0}^{k} x y": Big("sum", Relation(("=",), (i, Number("0"))), k, Product(("",), (x, y))),
    r"\sum_i": Big("sum", i, None, None),
    r"\sum_i -x": Big("sum", i, None, Group("{", Sum(("-",), (x,)))),
    r"\max_i (x_i) y": Product(("",), (Big("max", i, None, Group("(", Script(x, i))), y)),
    r"\max(x, y)": Product(("",), (Name("\\max"), Group("(", List((x, y))))),
    r"\operatorname*{argmax}_i x_i": Big("argmax", i, None, Script(x, i)),
    r"\arg\max_i x_i": Big("argmax", i, None, Script(x, i)),
    r"\underset{i}{\operatorname{argmax}} x_i": Big("argmax", i, None, Script(x, i)),
    r"\operatorname{vec}(x)": Product(("",), (Word("vec"), Group("(", x))),
    r"\hat x_i": Script(Accent("\\hat", x), i),
    r"\boldsymbol{x}": Accent("\\mathbf", x),
    r"\frac{\partial x}{\partial y_i}": Derivative("\\partial", x, Script(y, i)),
    r"\frac{d}{dx} y": Product(("",), (Derivative("d", None, x), y)),
    r"\frac{\mathrm{d}x}{\mathrm{d}y}": Derivative("d", x, y),
    r"\partial x / \partial y_i": Derivative("\\partial", x, Script(y, i), slash=True),
    "dx/dy": Derivative("d", x, y, slash=True),
    r"\frac{d}{k}": Fraction(Name("d"), k),
    r"\sqrt[3]{x}": Root(x, Number("3")),
    "|x|": Group("|", x),
    "2|x||y|": Product(("", ""), (Number("2"), Group("|", x), Group("|", y))),
    "||x| - y|": Group("|", Sum(("", "-"), (Group("|", x), y))),
    r"\|x\|_2^2": Script(Group("\\|", x), Number("2"), Number("2")),
    r"\lVert x \rVert": Group("\\|", x),
    "f(i,j|x)": Product(("",), (Name("f"), Group("(", List((i, j, x), 2)))),
    r"\lfloor k/2 \rfloor": Group("\\lfloor", Product(("/",), (k, Number("2")))),
    r"\langle x, y \rangle": Group("\\langle", List((x, y))),
    r"0 \le i < k": Relation(("\\leq", "<"), (Number("0"), i, k)),
    r"[i = j, j \ne k]": Group("[", List((Relation(("=",), (i, j)), Relation(("\\neq",), (j, k))))),
    r"\sum_{k: i \in G(k)} x": Big(
        "sum",
        Such(k, Relation(("\\in",), (i, Product(("",), (Name("G"), Group("(", k)))))),
        None,
        x,
    ),
    r"\begin{cases} x, & \text{if } x > 0, \\ y & \text{otherwise} \end{cases}": Cases(
        (x, y), (Relation((">",), (x, Number("0"))), None)
    ),
    r"x \mid y": Relation(("\\mid",), (x, y)),
    r"0 \cdots k": Product(("", ""), (Number("0"), Name("\\dots"), k)),
    r"\underbrace{x + y}_{\text{both}}": Group("{", Sum(("", "+"), (x, y))),
    "& x \\\\ & + y": Sum(("", "+"), (x, y)),
    "x.": x,
}


@pytest.mark.parametrize("text", READ, ids=str)
def test_a_formula_is_read_as_this_tree(text: str) -> None:
    assert parse(text, WORDS) == READ[text]


REFUSED = {
    "x +": 3,
    "(x": 2,
    "x)": 1,
    r"\frac{x}": 8,
    "x_i_j": 3,
    "x^2^3": 3,
    r"\unknown x": 0,
    r"x \foo{y}": 2,
    "x $ y": 2,
    r"\begin{bmatrix} x & y \\ z \end{bmatrix}": 0,
    r"\begin{cases} x & y": 19,
    "|x": 2,
    "": 0,
    r"x ! y": 2,
    r"\lfloor x": 9,
    "= x": 0,
    r"x = ": 3,
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_outside_the_grammar_is_refused_at_its_place(text: str) -> None:
    with pytest.raises(Unparsed) as caught:
        parse(text)
    assert caught.value.at == REFUSED[text], caught.value


@pytest.mark.parametrize(
    "text",
    [
        "(" * (DEPTH + 1) + "x" + ")" * (DEPTH + 1),
        "{" * 50_000,
        "x" * (LONGEST + 1),
        "x " * (TOKENS + 1),
        r"\frac{1}{" * 300,
    ],
    ids=["parentheses", "braces", "characters", "tokens", "fractions"],
)
def test_hostile_formulas_meet_a_limit(text: str) -> None:
    with pytest.raises(Limit) as caught:
        parse(text)
    assert caught.value.cause in ("limit-size", "limit-nesting")


def test_a_formula_nested_as_deeply_as_admitted_is_read() -> None:
    depth = DEPTH - 1
    tree = parse("(" * depth + "x" + ")" * depth)
    assert sum(isinstance(node, Group) for _, node in walk(tree)) == depth


@pytest.mark.parametrize("text", READ, ids=str)
def test_a_written_tree_is_read_as_the_same_tree(text: str) -> None:
    tree = parse(text, WORDS)
    assert parse(write(tree), WORDS) == tree


def test_places_are_offsets_into_the_text() -> None:
    text = r"y_{ij} + \frac{\partial L}{\partial w_{kj}} \sum_k x_{ik}"
    for _, node in walk(parse(text)):
        if isinstance(node, Name):
            assert text.startswith(node.text, node.at)


SPLIT = {
    "ij": ["i", "j"],
    "ij+1": ["i", "j + 1"],
    "i+1j": ["i + 1", "j"],
    "m+1n-1": ["m + 1", "n - 1"],
    "mn-1": ["m", "n - 1"],
    "0j": ["0", "j"],
    "12": ["1", "2"],
    "-ij": ["-i", "j"],
}


@pytest.mark.parametrize("text", SPLIT)
def test_a_subscript_without_commas_is_split_at_letters(text: str) -> None:
    assert [write(item) for item in letters(parse(text))] == SPLIT[text]


def test_a_node_is_replaced_at_its_path() -> None:
    tree = parse(r"\sum_k x_{ik} w_{kj} + b_j")
    path = next(path for path, node in walk(tree) if node == Name("b"))
    changed = replaced(tree, path, Name("c"))
    assert write(changed) == r"\sum_{k} x_{i k} w_{k j} + c_{j}"
    assert at_path(changed, path) == Name("c")
    assert write(tree).endswith("b_{j}"), "the tree itself stays as it was"


def test_every_path_of_a_walk_leads_to_its_node() -> None:
    tree = parse(r"\begin{cases} \sqrt[3]{x} & x > 0 \\ |x|_2 & \text{otherwise} \end{cases} + f(i|x)")
    visited = list(walk(tree))
    assert len(visited) > 10
    assert all(at_path(tree, path) is node for path, node in visited)
    assert sum(len(children(node)) for _, node in visited) == len(visited) - 1


def test_a_shifted_tree_is_equal_and_elsewhere() -> None:
    tree = parse("x_i + y")
    moved = shifted(tree, 7)
    assert moved == tree
    assert [node.at for _, node in walk(moved)] == [node.at + 7 for _, node in walk(tree)]


names = st.sampled_from([Name(letter) for letter in "xyzijkLW"] + [Name("\\alpha"), Name("kh"), Word("vec")])
numbers = st.sampled_from([Number("2"), Number("0.5"), Number("10")])
indices = st.one_of(names, st.builds(List, st.tuples(names, names)))


def _deeper(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    grouped = st.builds(Group, st.sampled_from(["(", "[", "\\{", "\\lfloor", "\\|"]), inner)
    factors = st.one_of(grouped, names, st.builds(Fraction, inner, inner), st.builds(Root, inner))
    two = st.tuples(factors, factors)
    return st.one_of(
        grouped,
        st.builds(Script, st.one_of(names, grouped), indices, inner, st.integers(0, 2)),
        st.builds(Sum, st.just(("", "-")), two),
        st.builds(Sum, st.just(("-", "+")), two),
        st.builds(Product, st.sampled_from([("",), ("\\cdot",), ("\\odot",), ("\\otimes",)]), two),
        st.builds(Fraction, inner, inner),
        st.builds(Root, inner, st.one_of(st.none(), numbers)),
        st.builds(Big, st.sampled_from(["sum", "prod", "argmax"]), names, st.none(), factors),
        st.builds(Accent, st.sampled_from(["\\hat", "\\bar"]), names),
        st.builds(Cases, two, st.tuples(st.builds(Relation, st.just(("<",)), two), st.none())),
        st.builds(Derivative, st.just("\\partial"), names, st.builds(Script, names, indices)),
    )


@given(st.recursive(st.one_of(names, numbers), _deeper, max_leaves=12))
def test_any_tree_written_down_is_read_as_the_same_tree(tree: Node) -> None:
    assert parse(write(tree), WORDS) == tree


pieces = st.sampled_from(
    [*"xyij_^{}()[]|+-*/=<>&'., 0123", "\\frac", "\\sum", "\\partial", "\\max", "\\|", "\\{", "\\}"]
)


@given(st.lists(pieces, max_size=40).map("".join))
def test_any_text_is_read_or_refused_at_a_place_within_it(text: str) -> None:
    try:
        tree = parse(text)
    except Unparsed as refusal:
        place = refusal.at
    else:
        place = tree.at
        assert parse(write(tree)) == tree
    assert place is not None
    assert 0 <= place <= len(text)


@pytest.mark.parametrize(
    ("spaced", "plain"),
    [
        (r"a \color{red}{b}", r"a {b}"),
        (r"\color{red} a b", "a b"),
        (r"a \phantom{{}=} b", "a b"),
        (r"a \vphantom{\sum} b", "a b"),
        (r"a \hspace{1em} b", "a b"),
        (r"{\bf a} b", r"\mathbf{a} b"),
        (r"{ \cal L} b", r"\mathcal{L} b"),
        (r"{\rm sin}(a)", r"\mathrm{sin}(a)"),
    ],
)
def test_colours_spaces_and_old_fonts_leave_a_formula_whole(spaced: str, plain: str) -> None:
    found = [statements_of(Display("x.md", 1, 1, f"y = {text}", "$$", number=1)) for text in (spaced, plain)]
    trees = [[parse(member.text) for member in one.members] for [one] in found]
    assert [write(tree) for tree in trees[0]] == [write(tree) for tree in trees[1]]
