"""Triton kernels under its interpreter, judged by the oracle; needs Triton and PyTorch, and a missing one fails."""

import os

os.environ.setdefault("TRITON_INTERPRET", "1")  # before Triton is imported

import re
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch
import triton
import triton.language as tl

import gradcheck
from gradcheck.frameworks import triton as frameworks_triton
from reference import Case

DOCS = Path(__file__).parents[2] / "docs"
CASES = 8


@triton.jit
def softmax_kernel(x, y, columns, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    inside = at < columns
    row = tl.load(x + tl.program_id(0) * columns + at, mask=inside, other=float("-inf")).to(tl.float32)
    weights = tl.exp(row - tl.max(row, axis=0))
    tl.store(y + tl.program_id(0) * columns + at, weights / tl.sum(weights, axis=0), mask=inside)


@triton.jit
def softmax_gradient_kernel(dy, y, dx, columns, stored, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    start = tl.program_id(0) * columns
    left = tl.load(dy + start + at, mask=at < columns, other=0.0).to(tl.float32)
    right = tl.load(y + start + at, mask=at < columns, other=0.0).to(tl.float32)
    inner = tl.sum(left * right, axis=0)
    tl.store(dx + start + at, right * (left - inner), mask=at < stored)


def softmax(lost_columns=0):
    """Softmax along an axis, whose gradient is not stored in so many last columns."""

    class Softmax(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, axis):
            rows = x.movedim(axis, -1).contiguous()
            y, d = torch.empty_like(rows, dtype=torch.float32), rows.shape[-1]
            if y.numel():
                softmax_kernel[(y.numel() // d,)](rows, y, d, triton.next_power_of_2(d))
            ctx.save_for_backward(y)
            ctx.axis = axis
            return y.to(x.dtype).movedim(-1, axis)

        @staticmethod
        def backward(ctx, dy):
            (y,), rows = ctx.saved_tensors, dy.movedim(ctx.axis, -1).contiguous()
            dx, d = torch.zeros_like(rows), rows.shape[-1]
            if y.numel():
                stored = d - lost_columns
                softmax_gradient_kernel[(y.numel() // d,)](rows, y, dx, d, stored, triton.next_power_of_2(d))
            return dx.movedim(-1, ctx.axis), None

    return Softmax


@triton.jit
def product_kernel(a, b, c, bias, M, N, K, am, ak, bk, bn, BIASED: tl.constexpr, BLOCK: tl.constexpr):
    """c[M N] = a[M K] b[K N] + bias[N], a tile of c in each program."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    j = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK, BLOCK), dtype=tl.float32)
    for start in range(0, K, BLOCK):
        k = start + tl.arange(0, BLOCK)
        left = tl.load(a + i[:, None] * am + k[None, :] * ak, mask=(i[:, None] < M) & (k[None, :] < K), other=0.0)
        right = tl.load(b + k[:, None] * bk + j[None, :] * bn, mask=(k[:, None] < K) & (j[None, :] < N), other=0.0)
        total = tl.dot(left, right, total)
    if BIASED:
        total += tl.load(bias + j, mask=j < N, other=0.0).to(tl.float32)[None, :]
    tl.store(c + i[:, None] * N + j[None, :], total.to(c.dtype.element_ty), mask=(i[:, None] < M) & (j[None, :] < N))


def product(a, b, bias=None, lost_columns=0):
    c, block = a.new_zeros(a.shape[0], b.shape[1]), 16
    grid = triton.cdiv(c.shape[0], block), triton.cdiv(c.shape[1] - lost_columns, block)
    if all(grid):
        sizes = *c.shape, a.shape[1], *a.stride(), *b.stride()
        product_kernel[grid](a, b, c, c if bias is None else bias, *sizes, bias is not None, block)
    return c


class Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, w)
        ctx.biased = b is not None
        return product(x, w, b)

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return product(dy, w.T), product(x.T, dy), dy.sum(0) if ctx.biased else None


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_right_softmax_passes(dtype) -> None:
    report = gradcheck.assert_matches("softmax", *frameworks_triton.wrap(softmax()), dtype=dtype, cases=CASES)
    assert report.compared


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("layout", ["NHWC", "OI"])
def test_a_right_linear_passes(dtype, layout) -> None:
    implementation = frameworks_triton.wrap(Linear if layout == "NHWC" else transposed)
    report = gradcheck.assert_matches("linear", *implementation, layout=layout, dtype=dtype, cases=CASES)
    assert report.compared


def transposed(x, w, b=None):
    return Linear.apply(x, w.T, b)


def test_a_column_that_is_not_stored_is_found_where_it_is() -> None:
    implementation = frameworks_triton.wrap(softmax(lost_columns=1))
    report = gradcheck.check_against("softmax", *implementation, dtype="float32", attrs={"axis": -1}, cases=CASES)
    (finding,) = report.findings
    assert finding.code == "G502"
    assert finding.index is not None
    case = gradcheck.oracle.case("softmax", 0, attrs={"axis": -1})
    assert finding.index[-1] == case.arrays["x"].shape[-1] - 1
    assert finding.got == 0.0


def losing(x, w, b=None):
    """The last column of the last tile has no program."""
    return product(x, w, b, lost_columns=1)


def test_a_tile_that_is_not_computed_is_found_where_it_is() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 20)), rng.normal(size=(20, 17))
    forward = frameworks_triton.wrap(losing).forward
    report = gradcheck.check_against("linear", forward, dtype="float32", cases=[Case({"x": x, "w": w})])
    finding = report.findings[0]
    assert (finding.code, finding.wrong) == ("G501", 3)
    assert finding.index is not None
    assert finding.index[-1] == 16


def test_bfloat16_is_refused_where_the_interpreter_is_at_fault() -> None:
    report = gradcheck.check_against("linear", *frameworks_triton.wrap(Linear), dtype="bfloat16", cases=2)
    assert not report.ok
    assert "That is the interpreter's fault, not yours" in str(report)


def test_bfloat16_without_a_product_is_judged() -> None:
    implementation = frameworks_triton.wrap(softmax())
    gradcheck.assert_matches("softmax", *implementation, dtype="bfloat16", accumulate="bfloat16", cases=CASES)


def test_the_interpreter_is_wrong_in_bfloat16() -> None:
    forward = frameworks_triton.wrap(Linear, bfloat16=True).forward
    x = np.random.default_rng(0).normal(size=(16, 16)).astype(ml_dtypes.bfloat16)
    right = x.astype(np.float64) @ x.astype(np.float64)
    assert np.abs(forward(x, x, None).astype(np.float64) - right).max() > 1e3 * np.abs(right).max()


def test_kernels_whose_source_is_not_seen_may_use_a_product() -> None:
    x = np.ones(3, ml_dtypes.bfloat16)
    forward = frameworks_triton.wrap(torch.exp).forward
    with pytest.raises(ValueError, match="No source of a kernel was found"):
        forward(x)
    assert frameworks_triton.wrap(torch.exp, bfloat16=True).forward(x).dtype == x.dtype
    assert forward(x.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("function", [Linear, Linear.apply, product, losing, transposed], ids=repr)
def test_kernels_are_found_by_the_names_that_lead_to_them(function) -> None:
    with pytest.raises(ValueError, match=r"computes tl\.dot wrongly"):
        frameworks_triton.wrap(function).forward(np.ones((2, 2), ml_dtypes.bfloat16))


LATE = """
import triton
from gradcheck.frameworks import triton as frameworks_triton
from reference import Case
try:
    frameworks_triton.wrap(print)
except RuntimeError as error:
    print(error)
"""


def test_an_interpreter_that_was_not_switched_on_is_told() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    run = subprocess.run([sys.executable, "-c", LATE], env=environment, capture_output=True, text=True, check=True)
    assert "set TRITON_INTERPRET=1 in the environment before Triton is imported" in run.stdout


NUMBER = re.compile(r"-?\d+\.\d+(e[-+]?\d+)?|-?\d+e[-+]?\d+")


def rounded(text: str) -> str:
    """The text with its numbers to three digits: the last ones are the machine's."""
    return NUMBER.sub(lambda match: f"{float(match[0]):.3g}", text).strip()


@pytest.mark.parametrize("page", ["triton.md", "pytorch.md"])
def test_examples_print_what_stands_below_them(page, tmp_path) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, re.DOTALL)
    assert examples
    script = tmp_path / "example.py"  # Triton reads the source of a kernel from its file
    for code, printed in examples:
        script.write_text(code, encoding="utf-8")
        run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
        assert rounded(run.stdout) == rounded(printed)
