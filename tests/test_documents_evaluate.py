"""Formulas as numbers: the source documents' equations, the usual notations, derivatives against the catalogue."""

from collections.abc import Callable

import numpy as np
import pytest

import reference
from gradcheck.documents._elaborate import elaborate
from gradcheck.documents._errors import (
    Blocked,
    Conformability,
    Dangling,
    Domain,
    Outside,
    Refusal,
    Undeclared,
    Unsupported,
    Wrong,
)
from gradcheck.documents._evaluate import evaluate
from gradcheck.documents._expression import Choice
from gradcheck.documents._match import sides
from gradcheck.documents._records import Limit
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._trial import Trial
from gradcheck.documents._world import World

TRIALS = 3
LIMIT = 1e-9  # far above the rounding of a few hundred terms near 1, far below the effect of a wrong term
L = r"\frac{\partial L}{\partial "


def table(*arrays: str, loss: str = "", **options: object) -> Symbols:
    """Symbols from texts such as `x[N,D]`, and a loss L with the upstream gradient g of one of them."""
    symbols = Symbols(**options)  # type: ignore[arg-type]
    for array in arrays:
        name, _, axes = array.partition("[")
        symbols.declare(name, [axis for axis in axes.rstrip("]").split(",") if axis])
    if loss:
        symbols.loss("L", [("g", loss)])
    return symbols


def compared(symbols: Symbols, left: str, right: str, number: int) -> float:
    """The largest difference of two sides in a trial."""
    head = elaborate(symbols.parse(left), symbols)
    member = elaborate(symbols.parse(right), symbols, head)
    world = World(Trial(symbols, 0, number))
    value = evaluate(head, world)
    stated = evaluate(member, world, like=value)
    both = sides(value, stated, world.trial.meter, seed=number)
    assert both.head.size, "nothing was compared"
    return float(np.abs(both.head - both.member).max())


def verdict(symbols: Symbols, left: str, right: str) -> object:
    """True or False for sides that agree or not, else the kind of refusal."""
    try:
        return max([compared(symbols, left, right, number) for number in range(TRIALS)]) < LIMIT
    except Refusal as refusal:
        return type(refusal)


def sigmoid() -> Symbols:
    symbols = table("x[]")
    symbols.let("s(x)", r"\frac{1}{1 + e^{-x}}")
    return symbols


def linear() -> Symbols:
    symbols = table("x[I,K]", "w[K,J]", "b[J]", "y[I,J]", loss="y")
    for name, of in (("X", "x"), ("W", "w"), ("Y", "y"), ("B", "b"), ("G", "g")):
        symbols.alias(name, of)
    symbols.let("y_{ij}", r"\sum_k {x_{ik} \cdot w_{kj}} + b_j")
    return symbols


def conv2d() -> Symbols:
    symbols = table("x[N,R,C,xch]", "K[kh,kw,xch,M]", "b[M]", "y[N,R,C,M]", loss="y", outside="zero")
    symbols.alias("k", "K")
    symbols.dim("bh", "kh//2")
    symbols.dim("bw", "kw//2")
    body = r"\sum_i^{kh} \sum_j^{kw} \sum_k^{xch} k_{i,j,k,m} x_{n,r+i-bh,c+j-bw,k} + b_m"
    symbols.let("y_{n,r,c,m}", body)
    return symbols


def batch_norm() -> Symbols:
    symbols = table(
        "x[N,R,C,K]", r"\gamma[K]", r"\beta[K]", r"\mu_x[K]", r"\sigma^2_x[K]", "y[N,R,C,K]", loss="y", elementwise=True
    )
    symbols.declare("\\epsilon", kind="positive")
    symbols.declare(r"\hat x", ["N", "R", "C", "K"])
    symbols.dim("m", "N*R*C")
    symbols.let(r"\mu_x[k]", r"\frac{1}{m} \sum_{n,r,c} x_{n,r,c,k}")
    symbols.let(r"\sigma^2_x[k]", r"\frac{1}{m} \sum_{n,r,c} (x_{n,r,c,k} - \mu_{x,k})^2")
    symbols.let("y", r"\gamma \frac{x - \mu_x}{\sqrt{\sigma^2_x + \epsilon}} + \beta")
    symbols.let(r"\hat x", r"\frac{x-\mu_x}{\sqrt{\sigma^2_x + \epsilon}}")
    return symbols


def batch_norm_evaluation() -> Symbols:
    symbols = batch_norm()
    symbols.hold(r"\mu_x", r"\sigma^2_x")
    return symbols


def dropout() -> Symbols:
    symbols = table("x[N,D]", "p[]", "y[N,D]", elementwise=True)
    symbols.declare("m", ["N", "D"], "mask")
    symbols.let("y", r"m\frac{x}{1 - p}")
    symbols.loss("L", [("G_y", "y")])
    symbols.gradient("G_x", "L", "x")
    return symbols


def im2row() -> Symbols:
    symbols = Symbols()
    symbols.dim("P", "(w-wf+1)*(h-hf+1)")
    symbols.dim("Q", "wf*hf*d")
    symbols.dim("S", "w*h")
    for name in ("w", "h", "wf", "hf"):
        symbols.dim(name)
    for name, axes in {"X": "S d", "F": "Q k", "Y": "P k", "H": "P*Q S*d", r"\phi": "P Q", r"\phi^*": "S d"}.items():
        symbols.declare(name, axes.split())
    symbols.declare("U", ["P", "Q"])
    symbols.let(r"\phi(X)", r"\operatorname{mat}_{P,Q}(H \text{vec}(X))")
    symbols.let(r"\phi^*(U)", r"\operatorname{mat}_{S,d}(H^\top \text{vec}(U))")
    symbols.let("Y", r"\phi(X) F")
    symbols.loss("z", [("", "Y")])
    symbols.alias("f", "z")
    return symbols


def row2im(outside: str = "error") -> Symbols:
    symbols = table("X[w,h,d]", outside=outside)
    symbols.dim("w'", "w-w_f+1")
    symbols.dim("h'", "h-h_f+1")
    for name in ("Y", "R"):
        symbols.declare(name, ["w'", "h'", "w_f", "h_f", "d"])
    symbols.let("R[l,m,k,p,d]", "X_{l+k,m+p,d}")
    symbols.loss("z", [("Y", "R")])
    symbols.gradient(r"\phi^*", "z", "X")
    symbols.function(r"\phi^*")
    return symbols


def max_rows() -> Symbols:
    symbols = im2row()
    symbols.declare("Y", ["P"])
    symbols.declare("V", ["P", "Q"])
    symbols.let("Y", r"\text{maxrow } \phi(X)")
    symbols.let("V_{p,q}", r"[\phi_{p,q} = Y_p]")
    return symbols


def response_norm() -> Symbols:
    symbols = table("X[W,H,D]", "Y[W,H,D]", base=1)
    for name in (r"\kappa", r"\alpha", r"\beta"):
        symbols.declare(name, kind="positive")
    symbols.subsets("G", "D")
    symbols.loss("z", [("", "Y")])
    root = r"\kappa + \alpha \sum_{t \in G(k)} X_{(i,j,t)}^2"
    symbols.let("Y_{(i,j,k)}", rf"X_{{(i,j,k)}} \left({root}\right)^{{-\beta}}")
    symbols.let("L(i,j,k|X)", root)
    return symbols


def vectorized(rows: str = r"\text{vec } X") -> Symbols:
    symbols = table("X[A,B]", "Y[A*B]", "W[C*D,A*B]")
    symbols.let("Y", rows)
    symbols.loss("z", [("", "Y")])
    return symbols


def fully_connected() -> Symbols:
    symbols = table("X[A,B]", "Y[C,D]", "W[C*D,A*B]")
    symbols.let(r"\text{vec } Y", r"W \text{vec } X")
    symbols.loss("z", [("", "Y")])
    symbols.alias("f", "z")
    return symbols


def relu_vector() -> Symbols:
    symbols = table("X[D]", "Y[D]")
    symbols.let("Y_k", r"\max\{0, X_k\}")
    symbols.loss("z", [("", "Y")])
    return symbols


def softmax() -> Symbols:
    symbols = table("X[D]", "Y[D]", base=1)
    symbols.let("Y_k", r"\frac{e^{X_k}}{\sum_{t=1}^D e^{X_t}}")
    symbols.let("L(X)", r"\sum_{t=1}^D e^{X_t}")
    symbols.loss("z", [("", "Y")])
    return symbols


def log_loss() -> Symbols:
    symbols = table("y[]", "z[]", base=1)
    symbols.declare("X", ["D"], "positive")
    symbols.dim("c", 2)
    symbols.let(r"\ell(X, c)", r"-\log X_c")
    symbols.let("y", r"\ell(X, c)")
    symbols.let("z", "y")
    return symbols


def general() -> Symbols:
    symbols = table("x[]", r"\theta[T]", "y[]")
    symbols.function("f", [])
    symbols.let("y", r"f(x, \theta)")
    symbols.loss("E", [(r"\delta", "y")])
    return symbols


def relu_scalar() -> Symbols:
    symbols = table("x[]", "y[]")
    symbols.let("f(x)", r"\begin{cases} 0 & x < 0 \\ x & x \geq 0 \end{cases}")
    symbols.let("y", "f(x)")
    symbols.loss("E", [(r"\delta", "y")])
    return symbols


def gram() -> Symbols:
    symbols = table("X[C,N]", "G[C,C]")
    symbols.function("G")
    symbols.let("G(X)", "XX^T")
    symbols.loss("E", [(r"\delta", "G")])
    return symbols


VARIATION = r"\left((U_{ij+1} - U_{ij})^2 + (U_{i+1j} - U_{ij})^2 \right)^{1/2}"


def variation(outside: str) -> Symbols:
    symbols = table("U[H,W]", "E[]", outside=outside)
    symbols.words |= {"TV"}
    symbols.let("TV(U)", rf"\sum_{{i=0}}^{{H-1}}\sum_{{j=0}}^{{W-1}} {VARIATION}")
    symbols.let("E", "TV(U)")
    symbols.let("N_{ij}", VARIATION)
    return symbols


def variation_zero() -> Symbols:
    return variation("zero")


def variation_dropped() -> Symbols:
    return variation("drop")


def row2im_zero() -> Symbols:
    return row2im("zero")


QUOTIENTS = r"""\frac{(U_{mn} - U_{mn-1})}{\left((U_{mn} - U_{mn-1})^2 + (U_{m+1n-1} - U_{mn-1})^2 \right)^{1/2}} +
\frac{(U_{mn} - U_{m-1n})}{\left((U_{m-1n+1} - U_{m-1n})^2 + (U_{mn} - U_{m-1n})^2 \right)^{1/2}} -
\frac{(U_{mn+1} - U_{mn})}{\left((U_{mn+1} - U_{mn})^2 + (U_{m+1n} - U_{mn})^2 \right)^{1/2}} -
\frac{(U_{m+1n} - U_{mn})}{\left((U_{mn+1} - U_{mn})^2 + (U_{m+1n} - U_{mn})^2 \right)^{1/2}}"""
FOUR_SUMS = r"""
\sum_{i,j} \frac{1}{N_{ij}} \left[\frac{\partial U_{ij+1}}{\partial U_{mn}} (U_{ij+1} - U_{ij}) \right] +
\sum_{i,j} \frac{1}{N_{ij}} \left[\frac{\partial U_{i+1j}}{\partial U_{mn}} (U_{i+1j} - U_{ij}) \right] -
\sum_{i,j} \frac{1}{N_{ij}} \left[\frac{\partial U_{ij}}{\partial U_{mn}} (U_{ij+1} - U_{ij}) \right] -
\sum_{i,j} \frac{1}{N_{ij}} \left[\frac{\partial U_{ij}}{\partial U_{mn}} (U_{i+1j} - U_{ij}) \right]"""
RESPONSE = r"""\frac{dz}{dY_{(i,j,d)}} L(i, j, d|X)^{-\beta} - 2\alpha\beta \sum_{k: d \in G(k)} \frac{dz}{dY_{(i,j,k)}}
L(i, j, k|X)^{-\beta-1} X_{(i,j,k)} X_{(i,j,d)}"""
DF, DX = r"\frac{dz}{d \text{vec}(F)^\top}", r"\frac{dz}{d \text{vec}(X)^\top}"
UP = r"\frac{df}{d \text{vec}(Y)^\top}"
BACK = r"\text{vec} \left(\frac{df}{dY} F^\top \right)"

SOURCES: list[tuple[str, Callable[[], Symbols], str, str, object]] = [
    ("000:8", sigmoid, "s(x)", r"\frac{1}{1 + e^{-x}}", True),
    ("000:10", sigmoid, r"\frac{\partial{s}}{\partial{x}}", r"\frac{-(1+e^{-x})'}{(1+e^{-x})^2}", True),
    ("000:11", sigmoid, r"\frac{\partial{s}}{\partial{x}}", r"\frac{e^{-x}}{(1+e^{-x})^2}", True),
    ("000:13", sigmoid, r"\frac{\partial{s}}{\partial{x}}", r"\frac{(1+e^{-x}) - 1}{(1 + e^{-x})^2}", True),
    (
        "000:14",
        sigmoid,
        r"\frac{\partial s}{\partial x}",
        r"\frac{1}{1+e^{-x}} \cdot \left(1 - \frac{1}{1 + e^{-x}}\right)",
        True,
    ),
    ("000:15", sigmoid, r"\frac{\partial{s}}{\partial{x}}", r"s(x) \cdot (1 - s(x))", True),
    ("000:20", linear, "Y", "XW + B", True),
    ("000:25", linear, "y_{ij}", r"\sum_k {x_{ik} \cdot w_{kj}} + b_j", True),
    ("000:29", linear, "g_{i,j}", r"\frac{ \partial{L} } {\partial{y_{ij}}}", True),
    (
        "000:33.1",
        linear,
        L + "w_{kj}}",
        r"\frac{\partial{L}}{\partial{y_{ij}}} \frac{\partial{{y_{ij}}}}{\partial{w_{kj}}}",
        Dangling,
    ),
    ("000:33.2", linear, L + "w_{kj}}", r"g_{i,j} \frac{\partial{{y_{ij}}}}{\partial{w_{kj}}}", Dangling),
    ("000:33 corrected", linear, L + "w_{kj}}", r"\sum_i g_{i,j} \frac{\partial y_{ij}}{\partial w_{kj}}", True),
    ("000:37", linear, "y_{ij}", "x_{i0}w_{0j} + x_{i1}w_{1j} + ... + x_{ik}w_{kj} + b_j", Undeclared),
    ("000:39", linear, r"\frac{\partial{{y_{ij}}}}{\partial{w_{kj}}}", "x_{i,k}", True),
    ("000:44", linear, r"\frac{\partial{L}}{\partial{W}}", "X^T G", True),
    ("000:51", linear, r"\frac{\partial{{y_{ij}}}}{\partial{b_{j}}}", "1", True),
    (
        "000:53.1",
        linear,
        L + "b_j}",
        r"\frac{\partial{L}}{\partial{y_{ij}}} \frac{\partial{{y_{ij}}}}{\partial{b_j}}",
        Dangling,
    ),
    ("000:53.2", linear, L + "b_j}", r"\sum_i g_{i,j}", True),
    ("000:55", linear, "y_{ij}", r"\sum_k x_{ik} w_{kj}", False),
    ("000:57.3", linear, L + "x_{ik}}", "g_{i,j}w_{k,j}", Dangling),
    ("000:57 corrected", linear, L + "x_{ik}}", r"\sum_j g_{i,j}w_{k,j}", True),
    ("000:61", linear, r"\frac{\partial{L}}{\partial{x}}", "G W^T", True),
    ("000:68 sums alone", conv2d, "y_{n,r,c,m}", r"\sum_i^{kh} \sum_j^{kw} \sum_k^{xch}", Wrong),
    (
        "000:68 joined",
        conv2d,
        "y_{n,r,c,m}",
        r"\sum_i^{kh} \sum_j^{kw} \sum_k^{xch} k_{i,j,k} x_{n,r+i-bh,c+j-bw,k} + b_m",
        Conformability,
    ),
    (
        "000:76",
        conv2d,
        L + "k_{i,j,k,m}}",
        r"g_{n,r,c,m} \frac{\partial{{y_{n,r,c,m}}}}{\partial{k_{i,j,k,m}}}",
        Dangling,
    ),
    (
        "000:76 corrected",
        conv2d,
        L + "k_{i,j,k,m}}",
        r"\sum_{n,r,c} g_{n,r,c,m} \frac{\partial y_{n,r,c,m}}{\partial k_{i,j,k,m}}",
        True,
    ),
    (
        "000:80 joined",
        conv2d,
        r"\frac{\partial y_{n,r,c,m}}{\partial k_{i,j,k,m}}",
        r"\sum_i^{kh} \sum_j^{kw} \sum_k^{xch} x_{n,r+i-bh,c+j-bw,k}",
        False,
    ),
    ("000:80 corrected", conv2d, r"\frac{\partial y_{n,r,c,m}}{\partial k_{i,j,k,m}}", "x_{n,r+i-bh,c+j-bw,k}", True),
    ("000:85", conv2d, L + "k_{i,j,k,m}}", r"\sum_r \sum_c g_{n,r,c,m} \cdot x_{n,r+i-bh,c+j-bw,k}", Dangling),
    (
        "000:85 corrected",
        conv2d,
        L + "k_{i,j,k,m}}",
        r"\sum_n \sum_r \sum_c g_{n,r,c,m} \cdot x_{n,r+i-bh,c+j-bw,k}",
        True,
    ),
    ("000:90", conv2d, L + "b_m}", r"g_{n,r,c,m} \frac{\partial{{y_{n,r,c,m}}}}{\partial{b_m}}", Dangling),
    ("000:93", conv2d, r"\frac{\partial{{y_{n,r,c,m}}}}{\partial{b_m}}", "1", True),
    ("000:97", conv2d, L + "b_m}", r"\sum_n \sum_r \sum_c g_{n,r,c,m}", True),
    ("000 left out", conv2d, L + "x_{n,p,q,k}}", r"\sum_{i,j,m} g_{n,p-i+bh,q-j+bw,m} K_{i,j,k,m}", True),
    ("000:117", batch_norm, r"\frac{\partial y}{\partial \gamma}", r"\hat x", True),
    ("000:121", batch_norm, r"\hat x", r"\frac{x-\mu_x}{\sqrt{\sigma^2_x + \epsilon}}", True),
    ("000:123", batch_norm, r"\frac{\partial y}{\partial \beta}", "1", True),
    ("000:125", batch_norm, r"\frac{\partial y}{\partial x}", r"\frac{1}{\sqrt{\sigma^2_x + \epsilon}}", False),
    (
        "000:125 held",
        batch_norm_evaluation,
        r"\frac{\partial y}{\partial x}",
        r"\frac{\gamma}{\sqrt{\sigma^2_x + \epsilon}}",
        True,
    ),
    (
        "000:125 corrected",
        batch_norm,
        L + "x_{nrck}}",
        r"\frac{\gamma_k}{m\sqrt{\sigma^2_{x,k}+\epsilon}}\Big(m\,g_{nrck} - \sum_{p,q,s} g_{pqsk}"
        r" - \hat x_{nrck} \sum_{p,q,s} g_{pqsk} \hat x_{pqsk}\Big)",
        True,
    ),
    ("000:137", dropout, r"\frac{\partial y}{\partial x}", r"\frac{m}{1-p}", True),
    ("000:138", dropout, "G_x", r"\frac{m}{1-p}G_y", True),
    ("001:21", im2row, r"\text{vec}(\phi(X))", r"H \text{vec}(X)", True),
    ("001:25.1", im2row, r"\frac{dz}{dF}", r"\phi(X)^\top \frac{df}{dY}", True),
    ("001:25.2", im2row, r"\frac{dz}{d \text{vec}(X)}", r"H^\top " + BACK, True),
    ("001:25.3", im2row, r"\frac{dz}{d \text{vec}(X)}", r"\phi^* \left(\frac{df}{dY} F^\top \right)", Conformability),
    ("001:25 corrected", im2row, r"\frac{dz}{dX}", r"\phi^* \left(\frac{df}{dY} F^\top \right)", True),
    ("001:29", im2row, r"\text{vec}(\phi^*(U))", r"H^\top \text{vec}(U)", True),
    (
        "001:37",
        row2im,
        r"[\phi^*(Y)]_{(i, j, d)}",
        r"\sum_{k=0}^{w_f-1} \sum_{p=0}^{h_f-1} Y_{(i, j, k, p, d)}",
        Conformability,
    ),
    (
        "001:37 corrected",
        row2im,
        r"[\phi^*(Y)]_{(i, j, d)}",
        r"\sum_{k=0}^{w_f-1}\sum_{p=0}^{h_f-1} [0 \le i-k<w',\ 0\le j-p<h']\, Y_{(i-k,\,j-p,\,k,\,p,\,d)}",
        True,
    ),
    (
        "001:37 without its bounds",
        row2im,
        r"[\phi^*(Y)]_{(i,j,d)}",
        r"\sum_{k=0}^{w_f-1}\sum_{p=0}^{h_f-1} Y_{(i-k,j-p,k,p,d)}",
        Outside,
    ),
    (
        "001:37 zero outside",
        row2im_zero,
        r"[\phi^*(Y)]_{(i,j,d)}",
        r"\sum_{k=0}^{w_f-1}\sum_{p=0}^{h_f-1} Y_{(i-k,j-p,k,p,d)}",
        True,
    ),
    ("001:63", max_rows, "Y", r"\phi(X)V", Conformability),
    ("001:63 corrected", max_rows, "Y", r"(\phi(X) \odot V)\,\mathbf 1", True),
    (
        "001:67",
        max_rows,
        r"\frac{dz}{d \operatorname{vec}(X)}",
        r"H^\top \operatorname{vec} \left(\frac{df}{dY} V^\top \right)",
        Conformability,
    ),
    ("001:67 corrected", max_rows, r"\frac{dz}{dX}", r"\phi^*\big(\operatorname{diag}(\tfrac{df}{dY})\,V\big)", True),
    ("001:77", response_norm, r"\frac{dz}{dX_{(i,j,d)}}", RESPONSE.replace("X_{(i,j,k)}", "X_{(i,j,ki)}"), Wrong),
    ("001:77 corrected", response_norm, r"\frac{dz}{dX_{(i,j,d)}}", RESPONSE, True),
    (
        "001:77 reversed",
        response_norm,
        r"\frac{dz}{dX_{(i,j,d)}}",
        RESPONSE.replace(r"k: d \in G(k)", r"k \in G(d)"),
        False,
    ),
    ("001:81", response_norm, "L(i, j, k|X)", r"\kappa + \alpha \sum_{t \in G(k)} X_{(i,j,t)}^2", True),
    ("001:91", vectorized, r"\frac{dz}{dX}", r"\text{reshape} \frac{dz}{dY}", True),
    ("001:101", relu_vector, r"\frac{dz}{dX_k}", r"\frac{dz}{dY_k} \delta_{\{X_k > 0\}}", True),
    ("001:107", fully_connected, r"\text{vec } Y", r"W \text{vec } X", True),
    ("001:111.1", fully_connected, r"\frac{dz}{d \text{vec}(X)^\top}", r"\frac{dz}{d \text{vec}(Y)^\top} W", True),
    ("001:111.2", fully_connected, r"\frac{dz}{dW}", r"\frac{df}{d \text{vec } Y} (\text{vec } X)^\top", True),
    ("001:117", softmax, "Y_k", r"\frac{e^{X_i}}{\sum_{t=1}^D e^{X_t}}", Dangling),
    (
        "001:121",
        softmax,
        r"\frac{dz}{dX_d}",
        r"\sum_k \frac{dz}{dY_k} (e^{X_d} L(X)^{-1} \delta_{\{k=d\}} - e^{X_d} e^{X_k} L(X)^{-2})",
        True,
    ),
    (
        "001:125",
        softmax,
        r"\frac{dz}{dX_d}",
        r"Y_d \left(\frac{dz}{dY_d} - \sum_{k=1}^K \frac{dz}{dY_k} Y_k \right)",
        Undeclared,
    ),
    (
        "001:125 K is D",
        softmax,
        r"\frac{dz}{dX_d}",
        r"Y_d \left(\frac{dz}{dY_d} - \sum_{k=1}^D \frac{dz}{dY_k} Y_k \right)",
        True,
    ),
    ("001:135", log_loss, r"\frac{dz}{dX_c}", r"-\frac{1}{X_c} \delta_{\{k=c\}}", Dangling),
    ("001:135 corrected", log_loss, r"\frac{dz}{dX_k}", r"-\frac{1}{X_c} \delta_{\{k=c\}}", True),
    ("001:141.1", im2row, DF, UP + r"\frac{d[\phi(X)F]}{d \text{vec}(F)^\top}", Conformability),
    (
        "001:141.1 without vec",
        im2row,
        DF,
        r"\frac{df}{d(Y)^\top}\frac{d\,\text{vec}[\phi(X)F]}{d \text{vec}(F)^\top}",
        Conformability,
    ),
    ("001:141.1 corrected", im2row, DF, UP + r"\frac{d\,\text{vec}[\phi(X)F]}{d \text{vec}(F)^\top}", True),
    ("001:141.2", im2row, DF, UP + r"\frac{d[(I_k \otimes \phi(X)) \text{vec}(F)]}{d \text{vec}(F)^\top}", True),
    ("001:141.3", im2row, DF, r"\text{vec} \left(\frac{df}{dY} \right)^\top (I_k \otimes \phi(X))", True),
    ("001:141.4", im2row, DF, r"\text{vec} \left(\phi(X)^\top I_k \frac{df}{dY} \right)^\top", Conformability),
    ("001:141.4 corrected", im2row, DF, r"\text{vec} \left(\phi(X)^\top \frac{df}{dY} I_k\right)^\top", True),
    ("001:141.5", im2row, DF, r"\text{vec} \left(\phi(X)^\top \frac{df}{dY} \right)^\top", True),
    ("001:149.1", im2row, DX, UP + r"\frac{d \text{vec}[\phi(X)F]}{d \text{vec}(X)^\top}", True),
    ("001:149.2", im2row, DX, UP + r"\frac{d[(F^\top \otimes I_{P}) \text{vec}(\phi(X))]}{d \text{vec}(X)^\top}", True),
    ("001:149.3", im2row, DX, UP + r"\frac{d[(F^\top \otimes I)H \text{vec}(X)]}{d \text{vec}(X)^\top}", True),
    ("001:149.4", im2row, DX, UP + r"(F^\top \otimes I)H", True),
    ("001:149.5", im2row, DX, BACK + r"^\top H", True),
    ("001:149.5 transposed", im2row, DX, BACK + r"^\top H^\top", Conformability),
    ("002:56", general, r"\frac{dE}{dx}", r"\delta \frac{df(x, \theta)}{dx}", True),
    (
        "002:58",
        general,
        r"\frac{\partial E}{\partial \theta_i}",
        r"\delta \frac{\partial f(x, \theta)}{\partial \theta_i}",
        True,
    ),
    ("002:68", relu_scalar, r"\frac{dE}{dx}", r"\delta \begin{cases} 0 & x < 0 \\ 1 & x \geq 0 \end{cases}", True),
    (
        "002:68 swapped",
        relu_scalar,
        r"\frac{dE}{dx}",
        r"\delta \begin{cases} 1 & x < 0 \\ 0 & x \geq 0 \end{cases}",
        False,
    ),
    ("002:70", relu_scalar, r"\frac{dE}{dx}", r"[\delta]_{x \geq 0}", True),
    (
        "002:128.1",
        variation_zero,
        r"\frac{\partial E}{\partial U_{mn}}",
        r"\frac{\partial TV(U)}{\partial U_{mn}}",
        True,
    ),
    (
        "002:128.2",
        variation_zero,
        r"\frac{\partial E}{\partial U_{mn}}",
        rf"\sum_{{i,j}} \frac{{\partial {VARIATION}}}{{\partial U_{{mn}}}}",
        True,
    ),
    ("002:128.4", variation_zero, r"\frac{\partial E}{\partial U_{mn}}", FOUR_SUMS, True),
    ("002:128.5 zero", variation_zero, r"\frac{\partial E}{\partial U_{mn}}", QUOTIENTS, False),
    ("002:128.5 dropped", variation_dropped, r"\frac{\partial E}{\partial U_{mn}}", QUOTIENTS, True),
    ("002:136", gram, "G(X)", "XX^T", True),
    ("002:140.1", gram, "G_{ij}", r"\langle X_i, X_j \rangle", True),
    ("002:140.2", gram, "G_{ij}", r"\sum_{k=0}^{N-1} X_{ik} X_{jk}", True),
    (
        "002:144",
        gram,
        r"\frac{\partial E}{\partial X_{cn}}",
        r"\sum_{i,j} \delta_{ij} \frac{\partial G_{ij}}{\partial X_{cn}}",
        True,
    ),
    (
        "002:148.1",
        gram,
        r"\frac{\partial G_{ij}}{\partial X_{cn}}",
        r"\frac{\partial \left(\sum_{k=0}^{N-1} X_{ik} X_{jk} \right)}{\partial X_{cn}}",
        True,
    ),
    (
        "002:148.2",
        gram,
        r"\frac{\partial G_{ij}}{\partial X_{cn}}",
        r"\sum_{k=0}^{N-1} \left[\frac{\partial X_{ik}}{\partial X_{cn}} X_{jk}"
        r" + \frac{\partial X_{jk}}{\partial X_{cn}} X_{ik} \right]",
        True,
    ),
    ("002:148.4", gram, r"\frac{\partial G_{ij}}{\partial X_{cn}}", "[X_{jn}]_{c=i} + [X_{in}]_{c=j}", True),
    (
        "002:152.1",
        gram,
        r"\frac{\partial E}{\partial X_{cn}}",
        r"\sum_{i,j} \delta_{ij} \left([X_{jn}]_{c=i} + [X_{in}]_{c=j} \right)",
        True,
    ),
    (
        "002:152.3",
        gram,
        r"\frac{\partial E}{\partial X_{cn}}",
        r"\sum_j \delta_{cj} X_{jn} + \sum_i \delta_{ic} X_{in}",
        True,
    ),
    ("002:152.5", gram, r"\frac{\partial E}{\partial X_{cn}}", r"\sum_i (\delta_{ci} + \delta_{ic}) X_{in}", True),
    ("002:156", gram, r"\frac{\partial E}{\partial X}", r"(\delta + \delta^T) X", True),
    ("002:156 symmetric", gram, r"\frac{\partial E}{\partial X}", r"2 \delta X", False),
]


@pytest.mark.parametrize(
    ("setting", "left", "right", "expected"), [row[1:] for row in SOURCES], ids=[row[0] for row in SOURCES]
)
def test_an_equation_of_the_source_documents_has_its_verdict(
    setting: Callable[[], Symbols], left: str, right: str, expected: object
) -> None:
    assert verdict(setting(), left, right) == expected


def notations() -> Symbols:
    symbols = table("x[N,D]", "t[N,D]", "A[D,D]", "v[D]", "u[D]", "a[]", "b[]", "E[]", "z[]", "q[D]")
    symbols.declare("p", ["N", "D"], "positive")
    symbols.labels("c", ["N"], "D")
    symbols.let("E", r"\frac12 \|x - t\|^2")
    symbols.let("z", r"\log \sum_i e^{v_i}")
    symbols.let(r"\sigma(s)", r"\frac{1}{1+e^{-s}}")
    symbols.function("f")
    symbols.let("q", "A v")
    return symbols


SAME = [
    ("E", r"\frac{1}{2}\sum_{i,j} (x_{ij}-t_{ij})^2"),
    ("E", r"\frac12 \operatorname{tr}((x-t)(x-t)^T)"),
    ("E", r"\frac{1}{2} \|x-t\|_F^2"),
    ("E", r"\frac{1}{2} \langle x-t, x-t\rangle"),
    ("E", r"\tfrac{1}{2} \operatorname{vec}(x-t)^\top \operatorname{vec}(x-t)"),
    (r"\frac{\partial E}{\partial x}", "x-t"),
    (r"\nabla_x E", "x-t"),
    (r"\partial E / \partial x_{ij}", "x_{ij} - t_{ij}"),
    (r"\frac{\partial}{\partial x_{ij}} E", "x_{ij} - t_{ij}"),
    (r"\frac{\partial}{\partial x_{ij}} \sum_{k,l} x_{kl}^2", "2 x_{ij}"),
    (r"\frac{d}{da}(a^2 b)", "2ab"),
    (r"\frac{\partial z}{\partial v_i}", r"\frac{e^{v_i}}{\sum_j e^{v_j}}"),
    (r"\frac{\partial z}{\partial v_i}", r"\exp(v_i - z)"),
    (r"\frac{\partial q}{\partial v^\top}", "A"),
    (r"\frac{\partial q_i}{\partial v_j}", "A_{ij}"),
    (r"\frac{\partial q_i}{\partial v_j}", r"\sum_k A_{ik} [k = j]"),
    (r"\frac{\partial q_i}{\partial v_j}", r"\sum_k A_{ik} \delta_{kj}"),
    (r"\frac{\partial q_i}{\partial v_j}", r"\sum_k A_{ik} \mathbb{1}[k = j]"),
    (r"\frac{\partial q_i}{\partial v_j}", r"\sum_k A_{ik} \mathbb 1_{\{k = j\}}"),
    (r"\frac{\partial q_i}{\partial v_j}", r"\sum_k A_{ik} \mathbf{1}\{k = j\}"),
    (r"\frac{\partial |v_i|}{\partial v_i}", r"\operatorname{sign}(v_i)"),
    (r"\frac{\partial |v_i|}{\partial v_i}", r"\frac{v_i}{|v_i|}"),
    (r"\frac{\partial \|v\|}{\partial v_i}", r"v_i / \|v\|_2"),
    (r"\frac{\partial \|v\|_1}{\partial v_i}", r"\begin{cases} 1 & v_i > 0 \\ -1 & \text{otherwise} \end{cases}"),
    (r"\frac{\partial \tanh(x_{ij})}{\partial x_{ij}}", r"1 - \tanh^2(x_{ij})"),
    (r"\frac{\partial \tanh(x_{ij})}{\partial x_{ij}}", r"1 - \tanh(x_{ij})^2"),
    (r"\frac{\partial \tanh(x_{ij})}{\partial x_{ij}}", r"\frac{1}{\cosh^2 x_{ij}}"),
    (r"\sigma'(x_{ij})", r"\sigma(x_{ij}) (1 - \sigma(x_{ij}))"),
    (r"\frac{\partial \sigma(x_{ij})}{\partial x_{ij}}", r"\sigma'(x_{ij})"),
    (r"\frac{\partial f(x_{ij})}{\partial x_{ij}}", r"f'(x_{ij})"),
    (r"\frac{\partial f(a v_i)}{\partial a}", r"v_i f'(a v_i)"),
    (r"\frac{\partial \log p_{ij}^a}{\partial p_{ij}}", r"\frac{a}{p_{ij}}"),
    (r"\frac{\partial \sqrt{p_{ij}}}{\partial p_{ij}}", r"\frac{1}{2} p_{ij}^{-1/2}"),
    (r"\frac{\partial \sqrt[3]{p_{ij}}}{\partial p_{ij}}", r"\frac{1}{3} p_{ij}^{-2/3}"),
    (r"\frac{\partial p_{ij}^{a}}{\partial a}", r"p_{ij}^{a} \ln p_{ij}"),
    (r"\frac{\partial}{\partial x_{ij}} \sum_n x_{n c_n}", "[j = c_i]"),
    (r"\frac{\partial}{\partial v_i} \max_j v_j", r"[i = \arg\max_j v_j]"),
    (r"\frac{\partial}{\partial v_i} \min_j v_j", r"[v_i = \min_j v_j]"),
    (r"\frac{\partial}{\partial v_i} \prod_j v_j", r"\prod_{j \neq i} v_j"),
    (r"\frac{\partial}{\partial v_i} \sum_{j < k} v_j v_k", r"\sum_{j \ne i} v_j"),
    (r"\frac{\partial}{\partial v_i} \sum_{j=0}^{D-2} v_j v_{j+1}", r"\sum_{j=0}^{D-2} ([i=j] v_{j+1} + [i=j+1] v_j)"),
    (r"\frac{\partial}{\partial v_k} \sum_{i=0}^{D-1} \sum_{j=0}^{i} v_j", "D - k"),
    (r"\frac{\partial}{\partial v_k} \sum_{i \in 0 \dots D-1} i v_i", "k"),
    (r"\frac{\partial}{\partial v_k} \sum_{i} \lfloor i/2 \rfloor v_i", r"\frac{k - k \bmod 2}{2}"),
    (r"\frac{\partial}{\partial v_k} \sum_{i} [2 \mid i] v_i", r"[k \bmod 2 = 0]"),
    (r"\frac{\partial}{\partial v_k} \sum_{i \in \{0, 1\}} v_i", r"[k \le 1]"),
    ("v^T A u", r"\sum_{i,j} v_i A_{ij} u_j"),
    (r"v \cdot u", "v^T u"),
    (r"(v \odot u)^T", r"(u \odot v)^T"),
    (r"A^{-1} A", "I"),
    (r"(A^\top)^{-1}", r"A^{-\top}"),
    (r"A + I", "I + A"),
    (r"(A - a I) v", "A v - a v"),
    (r"\operatorname{diag}(v) u", r"v \odot u"),
    (r"x \mathbf{1}", r"x \mathbf{1}_D"),
    (r"x + \mathbf{1} v^\top", r"x + \mathbf{1}_N v^\top"),
    (r"x^\top + v \mathbf{1}^\top", r"(x + \mathbf{1}_N v^\top)^\top"),
    (r"x^\top \mathbf{1}", r"\mathbf{1}^\top x"),
    (r"\mathbf{1}^\top x", r"\mathbf{1}_N^\top x"),
    (r"\operatorname{vec}(x^\top x)", r"(I \otimes x^\top) \operatorname{vec}(x)"),
    (r"\operatorname{vec}(A x^\top)", r"(x \otimes A) \operatorname{vec}(I_D)"),
    (r"\operatorname{tr} A x^\top x", r"\sum_{i,j,k} A_{ij} x_{kj} x_{ki}"),
    (r"\max(a, b)", r"\frac{a + b + |a - b|}{2}"),
    (r"\max\{v_i, 0\}", r"v_i [v_i > 0]"),
    (r"\operatorname{softmax}(x)", r"\operatorname{softmax}(x - a)"),
    ("x_{ij}", "x[i,j]"),
    ("x_{i}", "x_i"),
    ("x_{ij}", "x^{(i)}_j"),
    (r"\frac{\partial E}{\partial x_j^{(i)}}", "x_{ij} - t_{ij}"),
    (r"\operatorname{softmax}(x)_{ij}", r"\frac{e^{x_{ij}}}{\sum_k e^{x_{ik}}}"),
    ("(A u)_i", r"\sum_j A_{ij} u_j"),
    ("[A^T]_{ij}", "A_{ji}"),
    ("x_i^T x_j", r"\sum_k x_{ik} x_{jk}"),
]


@pytest.mark.parametrize(("left", "right"), SAME, ids=[f"{left} = {right}" for left, right in SAME])
def test_two_notations_mean_the_same(left: str, right: str) -> None:
    assert verdict(notations(), left, right) is True


REFUSED = [
    ("x_{ij}", r"x_{ij} y", Undeclared),
    ("x_{ij}", "x_{ik}", Dangling),
    ("x_{ij}", "x_{ijk}", Conformability),
    ("x_{ij}", "t_{ji}", Conformability),
    ("x_{ij}", "x_{i,j+1}", Outside),
    ("x_{ij}", r"x_{i,j/2}", Outside),
    ("x", "x t", Conformability),
    ("x", "x^2 (A + A)^2", Unsupported),
    ("x", "A x", Conformability),
    ("a", r"\sum_i", Wrong),
    ("a", r"\sum_{i=0}^{M} a", Undeclared),
    ("a", r"\sum_{i=0}^{1/2} a", Wrong),
    ("a", r"\sum_i a", Undeclared),
    ("a", r"\int a", Unsupported),
    ("a", r"\frac{\partial^3 E}{\partial a^3}", Unsupported),
    ("a", r"\log a b", Unsupported),
    ("a", "a/b a", Unsupported),
    ("a", r"\log(-p_{ij}) [a > 10]", Dangling),
    ("v_i", r"\log(-v_i^2)", Domain),
    ("v_i", r"\frac{v_i}{v_i - v_i}", Domain),
    ("v", "v u", Conformability),
    ("a", r"\mathbf{1}", Unsupported),
    ("a", r"\operatorname{foo}(a)", Undeclared),
    ("a", r"\hat a", Undeclared),
    ("a", "a^{(2)}", Undeclared),
    ("a", "a^*", Undeclared),
    ("a", "b_i", Undeclared),
    ("v", r"\mathbf{1} x", Conformability),
    ("v", "I_{a} v", Unsupported),
    ("v", r"\exp()", Unsupported),
    ("v", r"\operatorname{vec}(x) \otimes I", Unsupported),
    ("v", r"\operatorname{mat}_{D,v}(v)", Unsupported),
    ("a", r"1 + \dots + a", Undeclared),
    ("a", r"\max_{i, i < 0} v_i", Domain),
]


@pytest.mark.parametrize(("left", "right", "kind"), REFUSED, ids=[row[1] for row in REFUSED])
def test_what_has_no_meaning_is_refused(left: str, right: str, kind: type[Refusal]) -> None:
    found = verdict(notations(), left, right)
    assert isinstance(found, type)
    assert issubclass(found, kind)


def values(symbols: Symbols, number: int, *keys: str) -> list[np.ndarray]:
    """What symbols are in a trial."""
    world = World(Trial(symbols, 0, number))
    return [world.value(symbols.key(key)).array for key in keys]


def gradient(symbols: Symbols, number: int, by: str, indices: str) -> np.ndarray:
    """The derivative of L by an array in a trial, its axes in the order of the indices."""
    value = evaluate(elaborate(symbols.parse(f"{L}{by}_{{{indices}}}}}"), symbols), Trial(symbols, 0, number))
    return value.along(indices.split(","))


def strided() -> Symbols:
    symbols = table("x[N,H,W,C]", "w[kh,kw,C,M]", "b[M]", "y[N,P,Q,M]", loss="y", outside="zero")
    for name, size in {"s": "2", "t": "3", "p": "1", "P": "(H+2*p-kh)//s+1", "Q": "(W+2*p-kw)//t+1"}.items():
        symbols.dim(name, size)
    symbols.let("y_{n,i,j,m}", r"\sum_{u,v,c} w_{u,v,c,m} x_{n,s i+u-p,t j+v-p,c} + b_m")
    return symbols


def pooled() -> Symbols:
    symbols = table("x[N,H,W,C]", "y[N,P,Q,C]", loss="y")
    for name, size in {"s": "2", "kh": None, "kw": None, "P": "(H-kh)//s+1", "Q": "(W-kw)//s+1"}.items():
        symbols.dim(name, size)
    symbols.let("y_{n,p,q,c}", r"\max_{0 \le i < kh,\ 0 \le j < kw} x_{n,s p+i,s q+j,c}")
    return symbols


def instance_norm() -> Symbols:
    symbols = table("x[N,H,W,C]", "y[N,H,W,C]", loss="y")
    symbols.let(r"\mu_{nc}", r"\frac{1}{HW}\sum_{h,w} x_{nhwc}")
    symbols.let(r"\sigma^2_{nc}", r"\frac{1}{HW}\sum_{h,w} (x_{nhwc} - \mu_{nc})^2")
    symbols.let("y_{nhwc}", r"\frac{x_{nhwc} - \mu_{nc}}{\sqrt{\sigma^2_{nc} + 10^{-5}}}")
    return symbols


def softmax_rows() -> Symbols:
    symbols = table("x[N,D]", "y[N,D]", loss="y")
    symbols.let("y_{ij}", r"\frac{\exp(x_{ij})}{\sum_k \exp(x_{ik})}")
    return symbols


@pytest.mark.parametrize("number", range(TRIALS))
def test_the_derivatives_of_a_strided_convolution_are_the_reference_s(number: int) -> None:
    symbols = strided()
    trial = Trial(symbols, 0, number)
    x, w, b, g = values(symbols, number, "x", "w", "b", "g")
    attributes = {"stride": (2, 3), "padding": 1}
    assert trial.sizes["kh"] != trial.sizes["kw"]
    expected = reference.get("conv2d").backward(g, x, w, b, **attributes)
    for name, indices, gradient_ in zip("xwb", ("n,h,w,c", "u,v,c,m", "m"), expected, strict=True):
        np.testing.assert_allclose(gradient(symbols, number, name, indices), gradient_, rtol=0, atol=LIMIT)


@pytest.mark.parametrize("number", range(TRIALS))
def test_the_derivative_of_max_pooling_is_the_reference_s(number: int) -> None:
    symbols = pooled()
    sizes = Trial(symbols, 0, number).sizes
    x, g = values(symbols, number, "x", "g")
    (expected,) = reference.get("max_pool2d").backward(g, x, kernel=(sizes["kh"], sizes["kw"]), stride=2)
    np.testing.assert_allclose(gradient(symbols, number, "x", "n,h,w,c"), expected, rtol=0, atol=LIMIT)


@pytest.mark.parametrize(
    ("name", "setting", "arrays", "attributes"),
    [
        ("softmax", softmax_rows, "x", {}),
        ("instance_norm", instance_norm, "x", {"eps": 1e-5}),
        ("linear", linear, "xwb", {}),
    ],
)
def test_a_derivative_is_the_reference_s(
    name: str, setting: Callable[[], Symbols], arrays: str, attributes: dict[str, float]
) -> None:
    symbols = setting()
    inputs = values(symbols, 0, *arrays)
    expected = reference.get(name).backward(*values(symbols, 0, "g"), *inputs, **attributes)
    for array, value, gradient_ in zip(arrays, inputs, expected, strict=False):
        indices = ",".join("nhwc"[: value.ndim])
        np.testing.assert_allclose(gradient(symbols, 0, array, indices), gradient_, rtol=0, atol=LIMIT)


def test_the_forward_of_local_response_norm_is_the_reference_s_for_unsymmetric_groups() -> None:
    symbols = response_norm()
    trial = Trial(symbols)
    world = World(trial)
    x, y = (world.value(key).array for key in "XY")
    family = symbols.symbol("G")
    assert family is not None
    members = trial.draw(family).array
    assert (members != members.T).any()
    groups = tuple(tuple(np.flatnonzero(row).tolist()) for row in members)
    scales = {key: float(world.value(f"\\{key}").array) for key in ("kappa", "alpha", "beta")}
    expected = reference.get("local_response_norm").forward(x[None], groups=groups, **scales)[0]
    np.testing.assert_allclose(y, expected, rtol=0, atol=LIMIT)


def test_total_variation_with_replicated_border_is_the_reference_s() -> None:
    symbols = variation("replicate")
    u, total = values(symbols, 0, "U", "E")
    np.testing.assert_allclose(total, reference.get("total_variation").forward(u), rtol=0, atol=LIMIT)


def test_sizes_differ_pairwise_and_kernels_are_odd_and_even() -> None:
    drawn = [Trial(strided(), 0, number).sizes for number in range(4)]
    for sizes in drawn:
        axes = [sizes[name] for name in ("N", "H", "W", "C", "kh", "kw", "M", "P", "Q")]
        assert len(set(axes)) == len(axes)
        assert min(axes) >= 2
    assert {sizes["kh"] % 2 for sizes in drawn} == {0, 1}


def test_a_trial_is_the_same_whatever_else_is_declared() -> None:
    symbols = table("x[N,D]")
    (before,) = values(symbols, 1, "x")
    symbols.declare("t", ["D", "N"])
    (after,) = values(symbols, 1, "x")
    np.testing.assert_array_equal(before, after)
    assert not np.array_equal(before, values(symbols, 2, "x")[0])


def test_both_branches_of_a_case_distinction_are_taken() -> None:
    symbols = relu_scalar()
    trial = Trial(symbols)
    evaluate(elaborate(symbols.parse("f(x)"), symbols), trial)
    assert [number for part, number in trial.branches if isinstance(part, Choice)] == [0, 1]
    assert all(count > 0 for count in trial.branches.values())


@pytest.mark.parametrize("kind", ["positive", "mask", "simplex", "symmetric", "real"])
def test_a_kind_of_array_has_its_property(kind: str) -> None:
    symbols = Symbols()
    key = symbols.declare("x", ["N", "D", "D"], kind)
    array = World(Trial(symbols)).value(key).array
    held = {
        "positive": (array > 0).all(),
        "mask": set(np.unique(array)) == {0.0, 1.0},
        "simplex": np.allclose(array.sum(axis=-1), 1) and (array > 0).all(),
        "symmetric": np.array_equal(array, np.swapaxes(array, 1, 2)),
        "real": (array > 0).any() and (array < 0).any() and not np.array_equal(array, np.swapaxes(array, 1, 2)),
    }
    assert held[kind]


@pytest.mark.parametrize(("slope", "side"), [(0.0, -1), (1.0, 1)])
def test_one_sided_slopes_differ_at_a_kink(slope: float, side: int) -> None:
    symbols = table("x[D]", "y[D]")
    symbols.let("y_i", r"\max(0, x_i)")
    head = elaborate(symbols.parse(r"\frac{\partial y_i}{\partial x_i}"), symbols)
    trial = Trial(symbols, kinks=True)
    x = World(trial).value("x").array
    assert (x == 0).any()
    assert (x != 0).any()
    slopes = evaluate(head, World(trial, side=side)).array
    np.testing.assert_allclose(slopes, np.where(x == 0, slope, x > 0), atol=LIMIT)


def test_what_depends_on_an_unread_definition_is_blocked() -> None:
    symbols = linear()
    symbols.block("y")
    for left in (L + "x_{ik}}", r"\frac{\partial y_{ij}}{\partial x_{ik}}", "y_{ij}"):
        with pytest.raises(Blocked, match="y"):
            evaluate(elaborate(symbols.parse(left), symbols), Trial(symbols))


def test_a_name_without_axes_and_without_a_definition_is_never_drawn() -> None:
    symbols = Symbols()
    symbols.declare("y", None)
    with pytest.raises(Undeclared):
        evaluate(elaborate(symbols.parse("y"), symbols), Trial(symbols))


def test_a_definition_by_itself_is_refused() -> None:
    symbols = table("x[N]", "y[N]", "z[N]")
    symbols.let("y_n", "x_n + z_n")
    symbols.let("z_n", "2 y_n")
    with pytest.raises(Unsupported, match="y -> z -> y"):
        evaluate(elaborate(symbols.parse("y_n"), symbols), Trial(symbols))


def test_a_definition_of_another_shape_than_declared_is_wrong() -> None:
    symbols = table("x[N,D]", "y[N,D]")
    symbols.let("y", "x^T")
    with pytest.raises(Conformability, match="declared"):
        evaluate(elaborate(symbols.parse("y"), symbols), Trial(symbols))


def test_an_index_of_two_lengths_is_wrong() -> None:
    symbols = table("x[N,D]", "t[M,D]", "a[]")
    assert verdict(symbols, "a", r"\sum_{i,j} x_{ij} t_{ij}") is Conformability


@pytest.mark.parametrize(
    ("outside", "expected"), [("error", Outside), ("zero", False), ("replicate", True), ("drop", True)]
)
def test_outside_of_an_axis_the_declared_rule_holds(outside: str, expected: object) -> None:
    symbols = table("x[N]", "a[]", outside=outside)
    assert verdict(symbols, r"\sum_{i=0}^{N-1} (x_{i+1} - x_i)^2", r"\sum_{i=0}^{N-2} (x_{i+1} - x_i)^2") == expected


@pytest.mark.parametrize(("outside", "value"), [("zero", "0"), ("replicate", "x_{N-1}")])
def test_the_value_outside_is_what_the_rule_says(outside: str, value: str) -> None:
    assert verdict(table("x[N]", outside=outside), value, "x_{N}") is True


def test_indices_count_from_the_base() -> None:
    assert verdict(table("x[N]", base=1), r"\sum_{i=1}^{N} i x_i", r"\sum_i i x_i") is True
    assert verdict(table("x[N]"), r"\sum_{i=1}^{N} i x_i", r"\sum_i i x_i") is Outside
    assert verdict(table("x[N]"), r"\sum_{i=0}^{N-1} i x_i", r"\sum_i i x_i") is True


def test_einstein_s_convention_sums_repeated_indices_only() -> None:
    symbols = table("x[I,K]", "w[K,J]", "y[I,J]", loss="y", einsum=True)
    symbols.let("y_{ij}", "x_{ik} w_{kj}")
    assert verdict(symbols, L + "x_{ik}}", "g_{ij} w_{kj}") is True
    assert verdict(symbols, L + "x_{ik}}", "g_{ij} x_{ik}") is Dangling


def test_conditions_give_ranges_and_substitute_indices() -> None:
    symbols = table("x[N]", "y[N]")
    left = elaborate(symbols.parse("y_i"), symbols, conditions=(symbols.parse(r"0 \le i < N-1"),))
    right = elaborate(symbols.parse("x_j"), symbols, left, conditions=(symbols.parse("j = i + 1"),))
    world = World(Trial(symbols))
    np.testing.assert_array_equal(evaluate(right, world).array, world.value("x").array[1:])
    assert evaluate(left, world).array.shape == (world.trial.sizes["N"] - 1,)


LEFT_SIDES = [
    ("y_{ij}", "2 x_{ij}", "y"),
    ("y[i,j]", "2 x_{ij}", "y"),
    ("y_{(i,j)}", "2 x_{ij}", "y"),
    ("Y(i, j|x)", "2 x_{ij}", "Y(i,j)"),
    ("Y(i, j)", "2 x_{ij}", "Y(i,j)"),
    ("[h(x)]_{(i,j)}", "2 x_{ij}", "h(x)"),
    ("h(x)", "2 x", "h(x)"),
    ("y", "2 x", "y"),
    (r"\text{vec } y", r"2 \text{vec } x", "y"),
    (r"\hat y_{ij}", "2 x_{ij}", r"\hat y"),
    (r"\sigma^2_{ij}", "2 x_{ij}", r"\sigma^2"),
    ("y'_{ij}", "2 x_{ij}", "y'"),
    ("y_f", "2 x", "y_f"),
]


@pytest.mark.parametrize(("left", "right", "name"), LEFT_SIDES, ids=[row[0] for row in LEFT_SIDES])
def test_a_left_side_defines_its_name(left: str, right: str, name: str) -> None:
    symbols = table("x[N,D]", "y[N,D]", "y_f[N,D]")
    if "h(" in left:
        symbols.function("h")
    symbols.let(left, right)
    assert verdict(symbols, "2 x" if "(i,j)" not in name else "2 x_{ij}", name) is True


@pytest.mark.parametrize(
    ("declared", "meaning"), [((), r"\sigma_x \sigma_x"), (((r"\sigma^2_x"),), r"3 a")], ids=["power", "name"]
)
def test_the_longest_declared_name_is_meant(declared: tuple[str, ...], meaning: str) -> None:
    symbols = table("a[]", r"\sigma_x[]")
    for name in declared:
        symbols.declare(name)
        symbols.let(name, "3 a")
    assert verdict(symbols, r"\sigma^2_x", meaning) is True


def test_names_of_several_letters_are_no_products() -> None:
    symbols = table("k[]", "h[]")
    assert verdict(symbols, "kh", "k h") is True
    symbols.dim("kh", 7)
    assert verdict(symbols, "kh", "7") is True
    assert verdict(symbols, "k h", "h k") is True


def test_a_mark_keeps_the_axes() -> None:
    symbols = table("x[N,D]")
    symbols.mark("x", "positive")
    symbols.mark("u", "positive")
    x, u = values(symbols, 0, "x", "u")
    assert x.ndim == 2
    assert u.shape == ()
    assert (x > 0).all()
    assert (u > 0).all()


def test_a_copy_is_independent() -> None:
    symbols = linear()
    copy = symbols.copy()
    copy.let("y_{ij}", "b_j")
    copy.hold("w")
    assert verdict(symbols, L + "x_{ik}}", r"\sum_j g_{ij} w_{kj}") is True
    assert verdict(copy, L + "x_{ik}}", "0") is True


def test_frozen_intermediates_are_constants() -> None:
    symbols = table("x[N]", "m[]", "E[]")
    symbols.let("m", r"\frac{1}{N} \sum_i x_i")
    symbols.let("E", r"\sum_i x_i m")
    assert verdict(symbols, r"\frac{\partial E}{\partial x_i}", "2 m") is True
    symbols.hold("m")
    assert verdict(symbols, r"\frac{\partial E}{\partial x_i}", "m") is True


def test_a_derivative_by_an_intermediate_leaves_its_definition_out() -> None:
    symbols = table("x[N]", "h[N]", "E[]")
    symbols.let("h_i", "x_i^2")
    symbols.let("E", r"\sum_i h_i x_i")
    assert verdict(symbols, r"\frac{\partial E}{\partial h_i}", "x_i") is True
    assert verdict(symbols, r"\frac{\partial E}{\partial x_i}", r"h_i + \frac{\partial E}{\partial h_i} 2 x_i") is True


def coupled() -> Symbols:
    """An output that works column by column, but not row by row; large enough to be probed slice by slice."""
    symbols = table("x[N,D]", "y[N,D]", loss="y")
    symbols.dim("N", 14)
    symbols.dim("D", 15)
    symbols.let("y_{ij}", r"x_{ij} \sum_k x_{kj}^2")
    return symbols


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (L + "x_{ij}}", r"g_{ij} \sum_k x_{kj}^2 + 2 x_{ij} \sum_k g_{kj} x_{kj}"),
        (r"\frac{\partial y_{ij}}{\partial x_{kj}}", r"[i = k] \sum_l x_{lj}^2 + 2 x_{ij} x_{kj}"),
        (r"\frac{\partial y_{ij}}{\partial x_{il}}", r"[j = l] (\sum_k x_{kj}^2 + 2 x_{ij}^2)"),
        (r"\frac{\partial y_{ij}}{\partial x_{ij}}", r"\sum_k x_{kj}^2 + 2 x_{ij}^2"),
        (r"\frac{\partial y_{ij}}{\partial x_{ji}}", r"[i = j] (\sum_k x_{kj}^2 + 2 x_{ij} x_{ji})"),
    ],
)
def test_slices_that_depend_on_each_other_are_told_from_those_that_do_not(left: str, right: str) -> None:
    symbols = coupled()
    if "ji" in left:
        symbols.dim("D", 14)
    worst = compared(symbols, left, right, 0)
    assert worst < LIMIT
    assert compared(symbols, left, f"1.001 ({right})", 0) > 1e-4


def test_a_derivative_of_a_derivative_is_extrapolated() -> None:
    symbols = table("x[N]", "E[]")
    symbols.let("E", r"\sum_i x_i^3")
    assert verdict(symbols, r"\frac{\partial}{\partial x_i} \sum_j \frac{\partial E}{\partial x_j}", "6 x_i") is True


def test_the_gradient_of_a_reshaped_array_agrees_up_to_its_layout() -> None:
    symbols = vectorized()
    world = World(Trial(symbols))
    head = evaluate(elaborate(symbols.parse(r"\frac{dz}{dX}"), symbols), world)
    stated = evaluate(elaborate(symbols.parse(r"\text{reshape} \frac{dz}{dY}"), symbols), world)
    assert stated.reshaped
    both = sides(head, stated, world.trial.meter)
    assert both.assumed == "reshaped"
    np.testing.assert_allclose(both.member, both.head)


CLAIMS = [
    (r"\frac{\partial s}{\partial z}", r"\operatorname{diag}(s) - s s^\top", ""),
    (r"\frac{\partial q}{\partial u}", "M", ""),
    (r"\frac{\partial q}{\partial u}", "M^T", "transposed"),
    (r"\frac{\partial h}{\partial z}", r"1 - h^2", "entrywise"),
    (r"\frac{\partial h}{\partial z}", r"\operatorname{diag}(1 - h^2)", ""),
    (r"\frac{\partial L}{\partial u}", r"\frac{\partial L}{\partial q} \frac{\partial q}{\partial u}", ""),
    (r"\frac{\partial L}{\partial u}", r"\frac{\partial q}{\partial u} \frac{\partial L}{\partial q}", ""),
]


@pytest.mark.parametrize(("left", "right", "assumed"), CLAIMS, ids=[f"{row[0]} = {row[1]}" for row in CLAIMS])
def test_a_claim_about_a_jacobian_is_compared_in_its_layout(left: str, right: str, assumed: str) -> None:
    symbols = table("z[D]", "s[D]", "h[D]", "M[P,Q]", "u[Q]", "q[P]", loss="q")
    for name, definition in {"s": r"\operatorname{softmax}(z)", "h": r"\tanh(z)", "q": "M u"}.items():
        symbols.let(name, definition)
    head = elaborate(symbols.parse(left), symbols)
    world = World(Trial(symbols))
    value = evaluate(head, world)
    both = sides(value, evaluate(elaborate(symbols.parse(right), symbols, head), world), world.trial.meter)
    assert both.assumed == assumed
    np.testing.assert_allclose(both.member, both.head, atol=LIMIT)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (r"\sum_{i=0}^{10^9} 1", "limit-size"),
        (r"\sum_{i=0}^{3000} \sum_{j=0}^{3000} \tanh(i j)", "limit-size"),
        (
            r"\sum_{i=0}^{900}" + r" + \sum_{i=0}^{900}".join(r"\sum_{j=0}^{900} \tanh(i + j)" for _ in range(9)),
            "limit-terms",
        ),
    ],
    ids=["range", "array", "terms"],
)
def test_a_hostile_formula_meets_a_limit(text: str, cause: str) -> None:
    symbols = table("a[]")
    with pytest.raises(Limit) as caught:
        evaluate(elaborate(symbols.parse(text), symbols), Trial(symbols, budget=5_000_000))
    assert caught.value.cause == cause


def test_a_formula_nested_95_deep_is_evaluated() -> None:
    symbols = table("a[]")
    symbols.declare("p", kind="positive")
    text = r"\frac{1}{1 + " * 95 + "p" + "}" * 95
    expected = World(Trial(symbols)).value("p").array
    for _ in range(95):
        expected = 1 / (1 + expected)
    np.testing.assert_allclose(evaluate(elaborate(symbols.parse(text), symbols), Trial(symbols)).array, expected)


@pytest.mark.parametrize(
    ("dims", "message"),
    [({"a": "b", "b": "a"}, "depend on each other"), ({"a": "2-N*N", "N": None}, "no sizes")],
)
def test_sizes_that_cannot_be_are_refused(dims: dict[str, str | None], message: str) -> None:
    symbols = Symbols()
    for name, size in dims.items():
        symbols.dim(name, size)
    symbols.declare("x", ["a"])
    with pytest.raises(Unsupported, match=message):
        Trial(symbols)
