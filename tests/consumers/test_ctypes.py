"""Functions in C, compiled here: right ones, and each way in which one can be wrong."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import reference
from gradcheck import check_against
from gradcheck.frameworks import ctypes as native
from gradcheck.implementation import Function, Implementation, as_implementation
from reference import Case

Build = Callable[..., Path]
PAGE = Path(__file__).parents[2] / "docs" / "c_and_onnx.md"
NUMBER = re.compile(r"-?\d+\.\d+(e[-+]?\d+)?|-?\d+e[-+]?\d+")
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"]

RELU = """
#include "gc_array.h"
#define RELU(type)                                                                                    \\
    static void relu_##type(const gc_array *x, gc_array *y, int64_t from, int64_t to, int32_t axis) { \\
        if (axis == x->rank) {                                                                        \\
            type value = ((const type *)x->data)[from];                                               \\
            ((type *)y->data)[to] = value < 0 ? 0 : value;                                            \\
        } else                                                                                        \\
            for (int64_t i = 0; i < x->shape[axis]; i++)                                              \\
                relu_##type(x, y, from + i * x->strides[axis], to + i * y->strides[axis], axis + 1);  \\
    }
RELU(double)
RELU(float)
int relu(const gc_array *in, int n_in, gc_array *out, int n_out, const char *attrs_json) {
    if (n_in != 1 || n_out != 1 || strcmp(attrs_json, "{\\"slope_at_zero\\": 0.0}")) return 1;
    if (in->dtype == GC_FLOAT64) relu_double(in, out, 0, 0, 0);
    else if (in->dtype == GC_FLOAT32) relu_float(in, out, 0, 0, 0);
    else return 2;
    return 0;
}
"""
WRONG = """
#include "gc_array.h"
#define FUNCTION(name, body)                                                                          \\
    int name(const gc_array *in, int n_in, gc_array *out, int n_out, const char *attrs_json) {        \\
        double *x = in->data, *y = out->data;                                                         \\
        int64_t n = gc_size(in);                                                                      \\
        (void)x, (void)n_in, (void)n_out, (void)attrs_json;                                           \\
        for (int64_t i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : 0;                                   \\
        body;                                                                                         \\
        return 0;                                                                                     \\
    }
FUNCTION(right, )
FUNCTION(status, return n == 6 ? 7 : 0)
FUNCTION(beyond, y[n] = 1)
FUNCTION(before, y[-1] = 1)
FUNCTION(writes, if (n) x[0] = 3)
FUNCTION(outside, x[n] = 0)
FUNCTION(crash, if (in->rank == 2 && in->shape[1] == 3) abort())
int partial(const gc_array *in, int n_in, gc_array *out, int n_out, const char *attrs_json) {
    (void)n_in, (void)n_out, (void)attrs_json;
    for (int64_t i = 0; i + 1 < gc_size(in); i++) ((double *)out->data)[i] = 0;
    return 0;
}
int reads_on(const gc_array *in, int n_in, gc_array *out, int n_out, const char *attrs_json) {
    (void)n_in, (void)n_out, (void)attrs_json;
    for (int64_t i = 0; i < gc_size(in); i++) ((double *)out->data)[i] = ((double *)in->data)[i + 1];
    return 0;
}
"""
LINEAR = """
#include "gc_array.h"
static double *at(const gc_array *a, int64_t i, int64_t j) {
    return (double *)a->data + i * a->strides[0] + j * a->strides[1];
}
int forward(const gc_array *in, int n_in, gc_array *out, int n_out, const char *attrs_json) {
    const gc_array *x = &in[0], *w = &in[1], *b = &in[2], *y = &out[0];
    if (n_in != 3 || n_out != 1 || strcmp(attrs_json, "{}")) return 1;
    for (int64_t i = 0; i < x->shape[0]; i++)
        for (int64_t j = 0; j < w->shape[1]; j++) {
            double sum = b->data ? ((double *)b->data)[j * b->strides[0]] : 0;
            for (int64_t k = 0; k < w->shape[0]; k++) sum += *at(x, i, k) * *at(w, k, j);
            *at(y, i, j) = sum;
        }
    return 0;
}
int backward(const gc_array *in, int n_in, gc_array *out, int n_out, const char *attrs_json) {
    const gc_array *dy = &in[0], *x = &in[1], *w = &in[2], *dx = &out[0], *dw = &out[1], *db = &out[2];
    int64_t n = x->shape[0], d = x->shape[1], m = w->shape[1];
    if (n_in != 4 || n_out != 3 || strcmp(attrs_json, "{}") || !db->data != !in[3].data) return 1;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < d; k++) {
            *at(dx, i, k) = 0;
            for (int64_t j = 0; j < m; j++) *at(dx, i, k) += *at(dy, i, j) * *at(w, k, j);
        }
    for (int64_t k = 0; k < d; k++)
        for (int64_t j = 0; j < m; j++) {
            *at(dw, k, j) = 0;
            for (int64_t i = 0; i < n; i++) *at(dw, k, j) += *at(dy, i, j) * *at(x, i, k);
        }
    for (int64_t j = 0; db->data && j < m; j++) {
        double *sum = (double *)db->data + j * db->strides[0];
        *sum = 0;
        for (int64_t i = 0; i < n; i++) *sum += *at(dy, i, j);
    }
    return 0;
}
"""
DTYPE = """
#include "gc_array.h"
int dtypes(const gc_array *in, int n_in, gc_array *out, int n_out, const char *attrs_json) {
    (void)n_out, (void)attrs_json;
    int code = 0;
    for (int k = 0; k < n_in; k++) code = 10 * code + (in[k].data ? in[k].dtype : 0);
    return 10 * code + out[0].dtype;
}
int statistics(const gc_array *in, int n_in, gc_array *out, int n_out, const char *attrs_json) {
    (void)in, (void)n_in, (void)attrs_json;
    for (int k = 0; k < n_out; k++)
        for (int64_t i = 0; out[k].data && i < gc_size(&out[k]); i++) ((double *)out[k].data)[i] = k;
    return 0;
}
"""
NUMBERS = """
#include "gc_array.h"
#include <stdio.h>
#ifdef __cplusplus
extern "C"
#endif
int say(const char *attrs_json) {
    static const char *names[] = {"kernel", "pad", "padding", "ceil_mode", "flag", "eps", "divisor", "ties", "last"};
    for (int n = 0; n < 9; n++) {
        double to[4] = {0, 0, 0, 0};
        int count = gc_numbers(attrs_json, names[n], to, 4);
        printf("%s %d: %g %g %g %g\\n", names[n], count, to[0], to[1], to[2], to[3]);
    }
    printf("%d%d%d\\n", gc_is(attrs_json, "ties", "first"), gc_is(attrs_json, "ties", "fir"),
           gc_is(attrs_json, "eps", "first"));
    return 0;
}
int main(int argc, char **argv) { return argc == 2 ? say(argv[1]) : 1; }
"""


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Compiles C to a shared library."""

    def compiled(source: str, *, name: str = "lib") -> Path:
        folder = tmp_path_factory.mktemp(name)
        (folder / f"{name}.c").write_text(source, encoding="utf-8")
        library = folder / f"{name}.so"
        command = ["gcc", *FLAGS, f"-I{native.include()}", "-o", library, folder / f"{name}.c"]
        subprocess.run(list(map(str, command)), check=True)
        return library

    return compiled


@pytest.fixture(scope="module")
def wrong(build: Build) -> Path:
    return build(WRONG, name="wrong")


@pytest.fixture(scope="module")
def linear(build: Build) -> Path:
    return build(LINEAR, name="linear")


def bound(implementation: Implementation, op: str, half: str = "forward", layout: str | None = None) -> Function:
    function = getattr(implementation, half)
    assert isinstance(function, Function)
    record = reference.get(op)
    return function.bind(record if layout is None else record.in_layout(layout))


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 0), (2, 1, 3, 4)])
def test_a_function_that_heeds_strides_gets_any_array(
    build: Build, shape: tuple[int, ...], dtype: str, strided: bool
) -> None:
    x = drawn(*shape).astype(dtype)
    (y,) = bound(native.wrap(build(RELU), "relu", strided=strided), "relu")(x)
    assert y.dtype == x.dtype
    assert np.array_equal(y, np.maximum(x, 0))


@pytest.mark.parametrize("with_b", [False, True])
@pytest.mark.parametrize("strided", [False, True])
def test_a_backward_gives_a_gradient_for_each_array_that_is_there(linear: Path, strided: bool, with_b: bool) -> None:
    op, both = reference.get("linear"), native.wrap(linear, strided=strided)
    x, w, b, dy = drawn(3, 4), drawn(4, 2), drawn(2) if with_b else None, drawn(3, 2)
    np.testing.assert_allclose(bound(both, "linear")(x, w, b)[0], op.forward(x, w, b), rtol=1e-13)
    gradients = bound(both, "linear", "backward")(dy, x, w, b)
    assert (gradients[2] is None) == (b is None)
    for got, want in zip(gradients, op.backward(dy, x, w, b), strict=True):
        if want is not None:
            np.testing.assert_allclose(got, want, rtol=1e-13)


@pytest.mark.parametrize(
    ("symbol", "says"),
    [
        ("status", r"status returned 7"),
        ("beyond", r"beyond wrote outside of y, which has the shape \(2, 3\)"),
        ("before", r"before wrote outside of y, which has the shape \(2, 3\)"),
        ("outside", r"outside wrote outside of x, which has the shape \(2, 3\)"),
        ("partial", r"partial left y unwritten at 1 of 6 entries, the first at \[1, 2\]"),
    ],
)
def test_what_a_function_does_to_memory_is_told(wrong: Path, symbol: str, says: str) -> None:
    with pytest.raises(RuntimeError, match=f"^{says}$"):
        bound(native.wrap(wrong, symbol), "relu")(drawn(2, 3))


def test_an_input_that_is_written_to_is_changed_for_the_caller_too(wrong: Path) -> None:
    x = -np.ones(4)
    bound(native.wrap(wrong, "writes"), "relu")(x)
    assert x.tolist() == [3, -1, -1, -1]


def test_what_is_read_beyond_an_array_is_nan(wrong: Path) -> None:
    (y,) = bound(native.wrap(wrong, "reads_on"), "relu")(np.arange(3.0))
    np.testing.assert_array_equal(y, [1, 2, np.nan])


def test_a_function_that_ignores_strides_is_right_only_without(wrong: Path) -> None:
    x = np.arange(1.0, 7).reshape(2, 3)
    assert np.array_equal(bound(native.wrap(wrong, "right"), "relu")(x)[0], x)
    with pytest.raises(RuntimeError, match="wrote outside of y"):
        bound(native.wrap(wrong, "right", strided=True), "relu")(x)


def test_dtypes_have_the_numbers_of_the_header(build: Build) -> None:
    codes = dict(re.findall(r"GC_(\w+) = (\d)", (native.include() / "gc_array.h").read_text(encoding="utf-8")))
    assert codes == {dtype.name.upper(): str(code) for dtype, code in native.DTYPES.items()}
    library = build(DTYPE)
    for name in ("float64", "float32", "float16", "bfloat16"):
        (dtype,) = (dtype for dtype in native.DTYPES if dtype.name == name)
        for mask, kind in ((np.ones(3, bool), "BOOL"), (np.ones(3, dtype), name.upper())):
            with pytest.raises(
                RuntimeError, match=f"returned {codes[name.upper()]}{codes[kind]}{codes[name.upper()]}$"
            ):
                bound(native.wrap(library, "dtypes"), "dropout")(np.ones(3, dtype), mask)
    for kind in ("int64", "int32"):
        with pytest.raises(RuntimeError, match=f"returned 1{codes[kind.upper()]}01$"):
            bound(native.wrap(library, "dtypes"), "softmax_cross_entropy")(
                np.ones((2, 3)), np.array([0, 2], kind), None
            )


def test_other_dtypes_are_refused(build: Build) -> None:
    with pytest.raises(TypeError, match="dtype: got int16; admitted: float64, float32, float16, bfloat16, int64"):
        bound(native.wrap(build(DTYPE), "dtypes"), "log_loss")(np.ones((2, 3)), np.array([0, 2], np.int16))


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_outputs_have_the_shapes_of_the_layout_and_are_there_where_the_op_has_them(build: Build, layout: str) -> None:
    shape = (2, 4, 5, 3) if layout == "NHWC" else (2, 3, 4, 5)
    function = bound(native.wrap(build(DTYPE), "statistics"), "batch_norm2d", layout=layout)
    y, mean, var = function(drawn(*shape), None, None, drawn(3), np.ones(3))
    assert (y.shape, mean.tolist(), var.tolist()) == (shape, [1] * 3, [2] * 3)
    assert function(drawn(*shape), None, None, None, None)[1:] == (None, None)


@pytest.mark.parametrize(("compiler", "suffix"), [(["gcc", "-std=c99"], "c"), (["g++", "-std=c++17"], "cpp")])
def test_the_header_reads_attributes_in_c_and_cpp(tmp_path: Path, compiler: list[str], suffix: str) -> None:
    source, program = tmp_path / f"say.{suffix}", tmp_path / "say"
    source.write_text(NUMBERS, encoding="utf-8")
    warnings = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run([*compiler, *warnings, f"-I{native.include()}", "-o", program, source], check=True)
    op = reference.get("avg_pool2d")
    attrs = op.arguments(np.ones((1, 6, 6, 1)), kernel=(2, 3), padding=((1, 0), (2, 3)), ceil_mode=True).attrs
    more = {"flag": False, "eps": -1.5e-5, "ties": "first", "last": 7}
    run = subprocess.run(
        [program, native.attributes(attrs | more).decode()], check=True, capture_output=True, text=True
    )
    assert run.stdout.splitlines() == [
        "kernel 2: 2 3 0 0",
        "pad 0: 0 0 0 0",
        "padding 4: 1 0 2 3",
        "ceil_mode 1: 1 0 0 0",
        "flag 1: 0 0 0 0",
        "eps 1: -1.5e-05 0 0 0",
        "divisor 0: 0 0 0 0",
        "ties 0: 0 0 0 0",
        "last 1: 7 0 0 0",
        "100",
    ]


def test_a_wrapped_function_can_be_sent_to_another_process(linear: Path) -> None:
    both = pickle.loads(pickle.dumps(native.wrap(linear)))
    x, w = drawn(3, 4), drawn(4, 2)
    np.testing.assert_allclose(bound(both, "linear")(x, w, None)[0], x @ w, rtol=1e-13)


def test_a_path_alone_is_an_implementation_of_ctypes(linear: Path, wrong: Path) -> None:
    assert None not in as_implementation(str(linear), "ctypes")
    with pytest.raises(ValueError, match=r"forward, backward: wrong.so has no function of either name"):
        as_implementation(str(wrong), "ctypes")
    assert native.wrap(linear, "forward").backward is None


def test_bad_libraries_are_refused_by_name(tmp_path: Path, linear: Path) -> None:
    (tmp_path / "text.so").write_text("no library", encoding="utf-8")
    for path, says in ((tmp_path / "none.so", "which is no file"), (tmp_path / "text.so", "admitted: a shared lib")):
        with pytest.raises(ValueError, match=f"path: got .*{says}"):
            native.wrap(path)
    with pytest.raises(ValueError, match=r"backward: got 'back'; admitted: a function that linear.so has"):
        native.wrap(linear, "forward", "back")


def test_an_unbound_function_says_what_it_needs(linear: Path) -> None:
    forward = native.wrap(linear).forward
    assert forward is not None
    with pytest.raises(ValueError, match=r"forward: which op it is for is not known; bind\(op\) says it"):
        forward(drawn(3, 4), drawn(4, 2))


def test_right_functions_pass_the_oracle(build: Build, linear: Path) -> None:
    for strided in (False, True):
        for dtype in ("float64", "float32"):
            relu = native.wrap(build(RELU), "relu", strided=strided)
            report = check_against("relu", *relu, dtype=dtype, attrs={"slope_at_zero": 0.0}, cases=20)
            assert report.ok, str(report)
        report = check_against("linear", *native.wrap(linear, strided=strided), cases=20)
        assert report.ok, str(report)
        assert report.compared > 500


@pytest.mark.parametrize(
    ("symbol", "says"),
    [
        ("status", "forward raised RuntimeError: status returned 7"),
        ("partial", "forward raised RuntimeError: partial left y unwritten at 1 of"),
        ("beyond", "forward raised RuntimeError: beyond wrote outside of y"),
        ("writes", "forward wrote to x"),
        ("reads_on", "y is NaN at 1 of"),
    ],
)
def test_wrong_functions_are_findings(wrong: Path, symbol: str, says: str) -> None:
    cases = [Case({"x": drawn(2, 3)})]
    report = check_against("relu", *native.wrap(wrong, symbol), cases=cases)
    assert any(finding.message.startswith(says) for finding in report.findings), str(report)
    assert not report.ok


def test_a_crash_on_one_shape_is_a_finding_when_isolated(wrong: Path) -> None:
    cases = [Case({"x": drawn(*shape)}) for shape in ((2, 2), (2, 3), (3, 2))]
    report = check_against("relu", *native.wrap(wrong, "crash"), cases=cases, isolate=True)
    (finding,) = report.findings
    assert finding.code == "G505"
    assert "SIGABRT" in finding.message
    assert "x (2, 3)" in finding.case
    assert report.compared == 10


def rounded(text: str) -> str:
    """The text with its numbers to three digits."""
    return NUMBER.sub(lambda number: f"{float(number[0]):.3g}", text)


def _block(marker: str) -> tuple[str, str]:
    """A fenced block of the page, and the one after it."""
    pattern = rf"<!-- {re.escape(marker)} -->\n```\w+\n(.*?)```\n\n(?:```text\n(.*?)```)?"
    found = re.search(pattern, PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1], found[2] or ""


def test_the_page_shows_what_its_example_prints(tmp_path: Path) -> None:
    (tmp_path / "conv.c").write_text(_block("conv.c")[0], encoding="utf-8")
    script, printed = _block("check.py")
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert rounded(run.stdout) == rounded(printed)
    right = _block("conv.c")[0].replace("padding[1]", "padding[2]")
    (tmp_path / "right.c").write_text(right, encoding="utf-8")
    library = tmp_path / "right.so"
    subprocess.run(["gcc", *FLAGS, f"-I{native.include()}", "-o", library, tmp_path / "right.c"], check=True)
    attrs = {"dilation": 1, "groups": 1}
    report = check_against("conv2d", *native.wrap(library, "conv2d"), dtype="float32", attrs=attrs, cases=20)
    assert report.ok, str(report)


def test_the_page_shows_the_struct_of_the_header() -> None:
    pages = PAGE, native.include() / "gc_array.h"
    structs = [re.findall(r"typedef struct gc_array \{.*?\} gc_array;", p.read_text("utf-8"), re.DOTALL) for p in pages]
    fields = [re.sub(r"\s*/\*.*?\*/", "", struct).split() for (struct,) in structs]
    assert fields[0] == fields[1]
