"""How the house is built, from the syntax trees of its files."""

import ast
import builtins
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import reference

ROOT = Path(reference.__file__).parent.parent
FILES = sorted(path for package in ("reference", "gradcheck") for path in (ROOT / package).rglob("*.py"))
OPS = [ROOT / "reference" / family / f"{name}.py" for family, names in reference.families().items() for name in names]
LONGEST = 400  # lines of a file
ROLES = ("naive_forward", "naive_backward", "forward", "backward")
STORAGE = {"array", "empty", "empty_like", "zeros", "zeros_like", "ndindex", "broadcast_shapes"}
RUNTIME = {"numpy", "scipy", "click", "rich", "ml_dtypes"}
OPTIONAL = {  # extras, imported where they are used
    "gradcheck/numbers/ball.py": {"flint"},
    "gradcheck/documents/_containers.py": {"markdown_it"},
    "gradcheck/documents/_markdown.py": {"markdown_it"},
}
FOR_OPS = {"numpy", "math", "itertools", "collections.abc", "fractions", "typing"}
FOR_OPS |= {"reference", "reference.scalar", "reference._errors"}


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


each_file = pytest.mark.parametrize("path", FILES, ids=_id)
each_op_file = pytest.mark.parametrize("path", OPS, ids=_id)


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _is_late(node: ast.AST) -> bool:
    """Whether what is in here does not run when the file is loaded: a function, or what only type checkers see."""
    typing = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return typing or isinstance(node, ast.FunctionDef)


def _imports(path: Path) -> Iterator[tuple[str, bool]]:
    """The absolute names of the modules that a file imports, and whether that happens when it is loaded."""
    tree = _tree(path)
    late = {id(node) for part in ast.walk(tree) if _is_late(part) for node in ast.walk(part)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) not in late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{_id(path)}:{node.lineno} imports relatively"
            yield node.module or "", id(node) not in late


def _top(module: str) -> str:
    return module.partition(".")[0]


def _functions(path: Path) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in _tree(path).body if isinstance(node, ast.FunctionDef)}


def _reached(path: Path, *roots: str) -> list[str]:
    """The file's own functions that the roots use, directly or not; the roots too."""
    functions, reached, to_see = _functions(path), [], list(roots)
    while to_see:
        name = to_see.pop()
        if name not in reached:
            reached.append(name)
            names = [node.id for node in ast.walk(functions[name]) if isinstance(node, ast.Name)]
            to_see += [used for used in names if used in functions]
    return reached


def _naive_nodes(path: Path) -> Iterator[ast.AST]:
    functions = _functions(path)
    for name in _reached(path, "naive_forward", "naive_backward"):
        yield from ast.walk(functions[name])


def test_there_is_something_to_look_at() -> None:
    assert len(OPS) == len(reference.ops())
    assert all(path.is_file() for path in OPS)
    assert len(FILES) > len(OPS) + 10


@each_file
def test_imports_point_one_way(path: Path) -> None:
    allowed = {"reference": {"reference", "numpy"}, "gradcheck": {"reference", "gradcheck"} | RUNTIME}
    package = path.relative_to(ROOT).parts[0]
    frameworks = path.is_relative_to(ROOT / "gradcheck" / "frameworks")
    for module, at_once in _imports(path):
        known = _top(module) in allowed[package] or _top(module) in sys.stdlib_module_names
        optional = not at_once and _top(module) in OPTIONAL.get(_id(path), ())
        plugin = path.name == "pytest_plugin.py" and _top(module) == "pytest"
        assert known or optional or plugin or (frameworks and not at_once), f"{_id(path)} imports {module}"


@each_file
def test_the_core_of_the_catalogue_imports_no_op(path: Path) -> None:
    families = {f"reference.{family}" for family in reference.families()}
    if not any(path.is_relative_to(ROOT / Path(*family.split("."))) for family in families):
        for module, _ in _imports(path):
            assert not any(f"{module}.".startswith(f"{family}.") for family in families), f"{_id(path)}: {module}"


@each_op_file
def test_op_files_import_little_and_no_other_op(path: Path) -> None:
    shared = {f"reference.{path.parent.name}"}  # for `_window` and `_cases`
    for module, at_once in _imports(path):
        assert module in FOR_OPS | shared, f"{_id(path)} imports {module}"
        assert at_once, f"{_id(path)} imports {module} in a function"
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module in shared:
            assert {alias.name for alias in node.names} <= {"_window", "_cases"}, f"{_id(path)}:{node.lineno}"


@each_op_file
def test_the_two_halves_share_no_function(path: Path) -> None:
    naive, vectorized = (set(_reached(path, *ROLES[k : k + 2])) for k in (0, 2))
    assert not naive & vectorized, f"{_id(path)}: both halves use {naive & vectorized}"


@each_op_file
def test_the_two_halves_share_no_module_level_number(path: Path) -> None:
    assigned = {
        name.id
        for node in _tree(path).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        for name in ast.walk(target)
        if isinstance(name, ast.Name)
    }
    functions, used = _functions(path), []
    for half in (ROLES[:2], ROLES[2:]):
        nodes = (node for name in _reached(path, *half) for node in ast.walk(functions[name]))
        used.append({node.id for node in nodes if isinstance(node, ast.Name)} & assigned)
    assert not used[0] & used[1], f"{_id(path)}: both halves use {used[0] & used[1]}"


@each_op_file
def test_vectorized_halves_use_no_scalar_functions(path: Path) -> None:
    scalars = {
        alias.asname or alias.name
        for node in _tree(path).body
        if isinstance(node, ast.ImportFrom) and node.module == "reference.scalar"
        for alias in node.names
    }
    functions = _functions(path)
    for name in _reached(path, "forward", "backward"):
        used = {node.id for node in ast.walk(functions[name]) if isinstance(node, ast.Name)} & scalars
        assert not used, f"{_id(path)}: {name} uses {used}"


@each_op_file
def test_the_sections_stand_in_order(path: Path) -> None:
    tree, places = _tree(path), {}
    for node in tree.body:
        for name in [node.name] if isinstance(node, ast.FunctionDef) else []:
            places[name] = node.lineno
    assert ast.get_docstring(tree), f"{_id(path)} starts without the formula"
    last = tree.body[-1]
    ends = isinstance(last, ast.Assign) and [ast.unparse(target) for target in last.targets] == ["OP"]
    assert ends, f"{_id(path)} does not end with OP"
    order = [*ROLES, *(name for name in ("rules", "kink_margin") if name in places), "sample"]
    assert all(name in places for name in order), f"{_id(path)} lacks one of {order}"
    ranks = [places[name] for name in (*ROLES, "sample")]
    assert ranks == sorted(ranks), f"{_id(path)}: the order is {sorted(places, key=places.__getitem__)}"
    for name in order[4:-1]:
        assert places["backward"] < places[name] < places["sample"], f"{_id(path)}: {name} is out of place"
    naive, vectorized = (set(_reached(path, *ROLES[k : k + 2])) for k in (0, 2))
    first = min(places[name] for name in vectorized)
    assert all(places[name] < first for name in naive), f"{_id(path)}: the naive half does not come first"
    assert all(places[name] <= places["backward"] for name in vectorized), f"{_id(path)}: a helper comes late"


@each_op_file
def test_naive_halves_use_numpy_for_storage_only(path: Path) -> None:
    for node in _naive_nodes(path):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module, name = node.value.id, node.attr
            where = f"{_id(path)}:{node.lineno} uses {module}.{name}"
            assert module != "np" or name in STORAGE, where
            assert module != "_window", f"{where} in the naive half"
            assert module != "math" or name in {"inf", "nan", "prod"}, where
        if isinstance(node, ast.Attribute):
            arithmetic = {"sum", "mean", "dot", "max", "min", "prod", "std", "var", "any", "all", "argmax", "cumsum"}
            methods = arithmetic if not (isinstance(node.value, ast.Name) and node.value.id == "math") else set()
            assert node.attr not in methods, f"{_id(path)}:{node.lineno} uses .{node.attr}"
        assert not isinstance(node, ast.MatMult), f"{_id(path)} uses @ in a naive half"


@each_op_file
def test_naive_halves_index_arrays_entry_by_entry(path: Path) -> None:
    op = reference.get(path.stem)
    arrays = {f"{prefix}{name}" for prefix in ("", "d") for name in op.arrays}
    for node in _naive_nodes(path):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) in arrays:
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            whole = any(isinstance(part, ast.Slice) for part in parts)
            assert not whole, f"{_id(path)}:{node.lineno}: {ast.unparse(node)} is no single entry"


@each_op_file
def test_naive_halves_have_no_sentinels(path: Path) -> None:
    """Infinity and NaN are results, never where a variable starts; and there are no small numbers to be safe."""
    for node in _naive_nodes(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            assert (node.value * 8).is_integer(), f"{_id(path)}:{node.lineno}: what is {node.value}?"
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name | ast.Tuple) for target in node.targets):
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            starts = {ast.unparse(value).lstrip("-") for value in values}
            where = f"{_id(path)}:{node.lineno}: {ast.unparse(node)}"
            assert not starts & {"math.inf", "math.nan", "np.inf", "np.nan"}, f"{where} is a sentinel"


@each_op_file
def test_naive_halves_call_nothing_but_their_own(path: Path) -> None:
    """No function from elsewhere but `reference.scalar`, Python's own, and NumPy's for storage."""
    own = set(_functions(path))
    scalars = {name for name in vars(reference.scalar) if not name.startswith("_")}
    for node in _naive_nodes(path):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
            local = name not in vars(sys.modules[f"reference.{path.parent.name}.{path.stem}"])
            assert name in own | scalars | set(dir(builtins)) or local, f"{_id(path)}:{node.lineno} calls {name}"


@each_op_file
def test_naive_halves_are_not_annotated_and_vectorized_ones_are(path: Path) -> None:
    functions = _functions(path)
    for name in ROLES:
        arguments = functions[name].args
        annotated = [bool(argument.annotation) for argument in (*arguments.posonlyargs, *arguments.args)]
        if name.startswith("naive"):
            assert not any(annotated), f"{_id(path)}: {name} is annotated"
        else:
            assert all(annotated), f"{_id(path)}: {name} is not annotated"
            assert functions[name].returns is not None, f"{_id(path)}: {name} says not what it returns"


@each_file
def test_no_file_is_long(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST, f"{_id(path)} has {lines} lines"


@each_file
def test_public_things_say_what_they_are(path: Path) -> None:
    tree = _tree(path)
    if tree.body:
        assert ast.get_docstring(tree), f"{_id(path)} has no docstring"
    facts = {*ROLES, "sample", "rules", "kink_margin"} if path in OPS else set()
    elementary = vars(math).keys() | {"tanh"} if path.name == "scalar.py" else set()
    public = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")]
    for node in public:
        if node.name not in facts | elementary:
            assert ast.get_docstring(node), f"{_id(path)}:{node.lineno}: {node.name} has no docstring"


@each_file
def test_nothing_asserts_or_prints(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        assert not isinstance(node, ast.Assert), f"{_id(path)}:{node.lineno} asserts, which python -O drops"
        called = isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
        assert not called, f"{_id(path)}:{node.lineno} prints"
