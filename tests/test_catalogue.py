"""The catalogue: strict discovery, lazy imports, records that are checked when they are made."""

import ast
import dataclasses
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import reference
from reference import Case, Convention, Op, Seeded, _discover

each_op = pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)
FAMILIES = reference.families()


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """Puts op files into a catalogue of their own, which starts as an empty one."""
    families = set()

    def put(family: str, name: str, text: str) -> None:
        package = tmp_path / family
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        (package / f"{name}.py").write_text(text)
        families.add(family)

    monkeypatch.setattr(_discover, "_ROOT", tmp_path)
    monkeypatch.setattr(reference, "__path__", [*reference.__path__, str(tmp_path)])
    _discover.families.cache_clear()
    known = set(sys.modules)
    yield put
    for name in set(sys.modules) - known:
        if name.startswith("reference."):
            del sys.modules[name]
    monkeypatch.undo()
    for family in families:
        vars(reference).pop(family, None)
    _discover.families.cache_clear()


def _file(name: str) -> str:
    """An op file whose OP has this name: a copy of one that there is."""
    return f"import dataclasses\nimport reference\nOP = dataclasses.replace(reference.ANY, name={name!r})\n"


@pytest.fixture
def any_op(monkeypatch) -> Op:
    monkeypatch.setattr(reference, "ANY", reference.ops()[0], raising=False)
    return reference.ANY


def test_an_op_file_on_disk_is_found(any_op, disk) -> None:
    disk("odd", "double", _file("double"))
    disk("odd", "_shared", "raise AssertionError('a private module is no op file')")
    assert [op.name for op in reference.ops()] == ["double"]
    assert reference.get("double").name == "double"
    assert _discover.families() == {"odd": ("double",)}


@pytest.mark.parametrize("text", ["", "OP = None", "OP = 'double'", "op = 1"])
def test_an_op_file_without_an_op_is_an_error(any_op, disk, text: str) -> None:
    disk("odd", "double", text)
    for call in (reference.ops, lambda: reference.ops("odd"), lambda: reference.get("double")):
        with pytest.raises(TypeError, match=r"reference/odd/double\.py: OP is .*; admitted: an Op"):
            call()


def test_an_op_of_another_name_than_its_file_is_an_error(any_op, disk) -> None:
    disk("odd", "double", _file("twice"))
    for call in (reference.ops, lambda: reference.get("double")):
        with pytest.raises(
            ValueError, match=r"reference/odd/double\.py: the name of OP is 'twice'; admitted: 'double'"
        ):
            call()


def test_two_op_files_of_one_name_are_an_error(any_op, disk) -> None:
    disk("odd", "double", _file("double"))
    disk("strange", "double", _file("double"))
    with pytest.raises(ValueError, match=r"reference/strange/double\.py: there is another op of this name"):
        reference.ops()
    assert len(reference.ops("odd")) == len(reference.ops("strange")) == 1


def test_an_op_file_that_does_not_import_is_an_error(any_op, disk) -> None:
    disk("odd", "double", "import no_such_module_at_all")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        reference.ops()


def test_the_families_make_up_the_catalogue() -> None:
    whole = [op for family in FAMILIES for op in reference.ops(family)]
    assert whole == list(reference.ops())
    assert [op.name for op in whole] == [name for names in FAMILIES.values() for name in names]
    with pytest.raises(KeyError, match=f"no family 'no such': there are {', '.join(FAMILIES)}"):
        reference.ops("no such")


def test_the_first_wave_is_complete() -> None:
    assert len(reference.ops()) >= 30


@each_op
def test_get_gives_the_one_record(op) -> None:
    assert reference.get(op.name) is op


@each_op
def test_a_misspelt_name_is_a_key_error_that_names_the_nearest(op) -> None:
    for wrong in (op.name + "_", op.name.upper()[:1] + op.name[1:]):
        with pytest.raises(KeyError) as error:
            reference.get(wrong)
        assert f"no op {wrong!r}: did you mean {op.name!r}?" in str(error.value), op.name


@pytest.mark.parametrize("name", ["", "qqqqqqqq", "_window", None, 7])
def test_a_name_unlike_any_other_is_a_key_error_that_lists_all(name) -> None:
    with pytest.raises(KeyError) as error:
        reference.get(name)
    assert all(op.name in str(error.value) for op in reference.ops()) or "did you mean" in str(error.value)


def _fresh(code: str) -> str:
    """What a program prints in an interpreter of its own."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def test_importing_the_package_loads_no_op_and_nothing_but_numpy() -> None:
    code = "import sys, numpy.random; old = set(sys.modules); import reference; print(sorted(set(sys.modules) - old))"
    loaded = ast.literal_eval(_fresh(code))
    foreign = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - {"numpy", "reference"}
    assert not foreign, f"import reference also loads {foreign}"
    ours = {name for name in loaded if name.startswith("reference.")}
    assert not [name for name in ours if name.split(".")[1] in FAMILIES], ours


@each_op
def test_an_op_loads_alone(op) -> None:
    family = next(family for family, names in FAMILIES.items() if op.name in names)
    files = {f"reference.{parent}.{name}" for parent, names in FAMILIES.items() for name in names}
    code = (
        "import sys, reference\n"
        f"assert reference.{family}.{op.name}.OP is reference.get({op.name!r})\n"
        f"assert {op.name!r} in dir(reference.{family})\n"
        "print([name for name in sys.modules if not name.startswith('_')])"
    )
    loaded = set(ast.literal_eval(_fresh(code)))
    assert files & loaded == {f"reference.{family}.{op.name}"}, f"{op.name} loads other ops"
    assert not loaded & {"scipy", "ml_dtypes", "gradcheck", "click", "rich"}, op.name


def test_helpers_of_op_files_are_reachable_from_a_bare_import() -> None:
    code = (
        "import reference\n"
        "print(callable(reference.windowed.max_pool2d.argmax), callable(reference.activation.dropout.mask))"
    )
    assert _fresh(code).split() == ["True", "True"]


def test_a_module_that_is_not_there_is_an_attribute_error() -> None:
    for package in (reference, *(getattr(reference, family) for family in FAMILIES)):
        with pytest.raises(AttributeError, match="no_such_op"):
            _ = package.no_such_op


def _refused(op: Op, **changes: object) -> str:
    with pytest.raises((ValueError, TypeError)) as error:
        dataclasses.replace(op, **changes)
    assert "admitted" in str(error.value), f"{op.name} {changes}: {error.value}"
    return str(error.value)


@each_op
def test_a_record_is_checked_when_it_is_made(op) -> None:
    example = Convention("C1", "an example", Case({}))
    bad = {
        "name": [{"name": "no identifier"}, {"name": ""}],
        "formula": [{"formula": ""}, {"formula": None}],
        "source": [{"source": ()}],
        "differentiable": [{"differentiable": frozenset({"no_such_input"})}],
        "cotangents": [{"cotangents": ("no_such_output",)}],
        "kinds": [{"kinds": {"no_such_input": "mask"}}],
        "affine_in": [{"affine_in": (frozenset({"no_such_input"}),)}],
        "conventions": [{"conventions": (example, example)}],
        "layout": [{"layouts": {"odd": {"no_such": "A B"}}}, {"layouts": {"odd": {op.names[0]: "no such axes"}}}],
        **{role: [{role: 1}, {role: None}] for role in ("forward", "backward", "naive_forward", "naive_backward")},
    }
    for what, changes in bad.items():
        for change in changes:
            assert what in _refused(op, **change), f"{op.name}: {change}"


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("axes", {"inputs": {"x": "N ? 9"}}),
        ("kinds", {"kinds": {"x": "no such kind"}}),
        ("sample", {"sample": None}),
        ("attributes", {"attributes": {"axis": 3}}),
    ],
)
def test_a_record_without_meaning_is_refused(what: str, changes: dict[str, object]) -> None:
    op = next(op for op in reference.ops() if op.names == ("x",))
    _refused(op, **changes)


@each_op
def test_a_record_is_frozen(op) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        op.name = "other"


@each_op
@pytest.mark.parametrize("role", ["forward", "backward", "naive_forward", "naive_backward"])
def test_a_replaced_function_is_called_like_the_files(op, role: str) -> None:
    seen, own = [], getattr(op, role).__wrapped__

    def function(*arrays, **attrs):
        seen.append((arrays, attrs))
        return own(*arrays, **attrs)

    case = op.sample(Seeded(op.name, 0, 0))
    arrays = [case.arrays.get(name) for name in op.names]
    cotangents = [np.ones(op.arguments(*arrays, **case.attrs).shape(name)) for name in op.cotangents]
    given = [*(cotangents if "backward" in role else ()), *arrays]
    once = dataclasses.replace(op, **{role: function})
    twice = dataclasses.replace(dataclasses.replace(once, **{role: getattr(once, role)}), name=op.name)
    want = getattr(op, role)(*given, **case.attrs)
    for replaced in (once, twice):
        assert getattr(replaced, role).__wrapped__ is function, f"{op.name}.{role} is checked twice"
        got = getattr(replaced, role)(*given, **case.attrs)
        flat = zip(*(found if isinstance(found, tuple) else (found,) for found in (got, want)), strict=True)
        assert all(a is b is None or np.array_equal(a, b) for a, b in flat), f"{op.name}.{role}"
    assert len(seen) == 2, f"{op.name}.{role} was called {len(seen)} times"
    normal = op.arguments(*arrays, **case.attrs).attrs
    for passed, attrs in seen:
        assert len(passed) == len(given), f"{op.name}.{role}"
        assert attrs == normal, f"{op.name}.{role} sees attributes that are not in normal form"


@each_op
def test_normal_form_is_valid_input_and_stays(op) -> None:
    for number in range(20):
        case = op.sample(Seeded(op.name, 0, number))
        arrays = [case.arrays.get(name) for name in op.names]
        once = op.arguments(*arrays, **case.attrs).attrs
        assert set(once) == set(op.attributes), f"{op.name} case {number}"
        assert op.arguments(*arrays, **once).attrs == once, f"{op.name} case {number}: {case.attrs}"


@each_op
def test_a_record_says_what_it_must(op) -> None:
    assert all(source.document and source.place for source in op.source), f"{op.name} has no source"
    assert "Shapes:" in op.formula, f"{op.name}: the formula says no shapes"
    assert op.formula.lstrip()[0].isupper(), f"{op.name}: the formula does not start with a sentence"
    assert " = " in op.formula, f"{op.name}: the formula has no equation"
    assert op.errors, f"{op.name}: no bad input"
    assert op.witnesses or op.conventions, f"{op.name}: neither a witness nor a worked example"
    for convention in op.conventions:
        assert convention.outputs or convention.grads, f"{op.name} {convention.label} has no worked example"
        assert convention.text, f"{op.name} {convention.label}"
    for name, attribute in op.attributes.items():
        assert attribute.admits, f"{op.name} {name}"


@each_op
def test_conventions_are_numbered_and_the_formula_refers_only_to_those(op) -> None:
    labels = [convention.label for convention in op.conventions]
    assert labels == [f"C{number + 1}" for number in range(len(labels))], op.name
    assert set(re.findall(r"\bC\d+\b", op.formula)) <= set(labels), f"{op.name}: the formula refers to none such"


@each_op
def test_defaults_and_alternatives_are_admitted(op) -> None:
    for name, attribute in op.attributes.items():
        if attribute.default is not reference.REQUIRED and attribute.default is not None:
            attribute(op.name, name, attribute.default)
        for value in attribute.alternatives:
            attribute(op.name, name, value)
            assert value != attribute.default, f"{op.name} {name}: {value!r} is no alternative"


@each_op
def test_optional_inputs_come_last(op) -> None:
    optional = [name.endswith("?") for name in op.inputs]
    assert optional == sorted(optional), f"{op.name}: an optional input stands before a required one"
    assert op.differentiable, f"{op.name} has no gradient"
    assert set(op.cotangents) <= set(op.outputs), op.name
