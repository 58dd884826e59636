"""An implementation in a fresh interpreter: what it does there is told as it is here, and its death ends nobody."""

import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import reference
from gradcheck import _isolated, isolation
from gradcheck.implementation import Function, Implementation, Target
from gradcheck.isolation import Isolated, pickled
from gradcheck.oracle._calls import perform

RELU = reference.get("relu")
MODULE = '''
    """By the size of x: what goes wrong."""

    import ctypes, os, subprocess, sys, time
    import numpy as np
    from gradcheck.implementation import Function, Implementation

    calls = 0

    def forward(x, slope_at_zero=0.0):
        global calls
        calls += 1
        size = x.size
        if size == 10:
            ctypes.string_at(0)
        if size == 11:
            print("on its way out", file=sys.stderr)
            os.abort()
        if size == 12:
            os._exit(7)
        if size == 13:
            while True:
                pass
        if size == 14:
            kept = []
            while True:
                kept.append(np.ones(2**18))
        if size == 15:
            sys.exit(3)
        if size == 16:
            raise KeyboardInterrupt
        if size == 17:
            os.kill(os.getpid(), 9)
        if size == 18:
            ctypes.PyDLL(None).sleep(60)  # keeps the interpreter's lock
        if size == 19:
            program = "x = [bytes([1]) * 2**20 for k in range(600)]; import time; time.sleep(60)"
            subprocess.run([sys.executable, "-c", program])
        if size == 20:
            os.write(1, b"no answer " * 1000)
        if size == 21:
            return (np.array([object(), lambda: 0], dtype=object),)
        if size == 22:
            x[0] = 5.0
            return x
        if size == 23:
            raise LookupError("not today")
        return np.full(3, float(calls if size == 1 else os.getpid() if size == 2 else slope_at_zero))

    def backward(dy, x, **attrs):
        return [dy * (x > 0)]

    whole = Implementation(forward, backward)
    half = Implementation(forward, None)

    def bound(names, *arrays, **attrs):
        return np.array([len(names.inputs), names.cotangents])

    def measured(dtype):
        if dtype == "float16":
            raise TypeError("no halves here")
        return {"exp": 2.0**-20}

    probed = Implementation(Function(bound, "mine 1.0", forward, measured), None)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with modules, in the path."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "strange_kernels.py").write_text(textwrap.dedent(MODULE))
    (folder / "raising_kernels.py").write_text("raise RuntimeError('no device')\n")
    (folder / "exiting_kernels.py").write_text("import sys\nsys.exit('not on this machine')\n")
    (folder / "looping_kernels.py").write_text("while True: pass\n")
    (folder / "crashing_kernels.py").write_text("import os\nos.abort()\n")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def isolated(folder: Path) -> Iterator[Isolated]:
    """One process for all tests that let it live."""
    with Isolated(Target("strange_kernels:whole"), RELU, timeout=20.0, memory=2**30) as started:
        yield started


def _run(isolated: Isolated, size: int, role: str = "forward", **attrs: Any) -> Any:
    arrays = [np.ones(size)] * (1 if role == "forward" else 2)
    return isolated.perform(role, arrays, attrs)


def test_it_returns_what_a_call_here_returns(isolated: Isolated) -> None:
    arrays = [np.array([[1.0, -2.0], [3.0, 4.0]], order="F"), np.array([[1.0, -1.0], [0.0, 2.0]])]
    there = isolated.perform("backward", arrays, {}, repeat=True)
    here = perform(lambda dy, x: [dy * (x > 0)], arrays, {}, repeat=True)
    assert (there.structure, there.error, there.died, there.written) == (here.structure, "", "", [])
    np.testing.assert_array_equal(there.results[0], here.results[0])
    np.testing.assert_array_equal(there.again[0], here.again[0])


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int64", "bool"])
def test_arrays_of_any_dtype_shape_and_absence_arrive(dtype: str) -> None:
    kind = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    arrays = [np.ones((2, 3), kind), np.zeros((0, 4), kind), np.ones((), kind), None, np.ones((4, 6), kind)[::2, ::3]]
    stream = io.BytesIO()
    _isolated.send(stream, arrays)  # type: ignore[arg-type]
    stream.seek(0)
    arrived = _isolated.receive(stream)  # type: ignore[arg-type]
    for sent, got in zip(arrays, arrived, strict=True):
        if sent is None:
            assert got is None
        else:
            assert (got.dtype, got.shape, got.tobytes()) == (sent.dtype, sent.shape, sent.tobytes())


def test_a_process_is_used_again_and_replaced_after_a_death(folder: Path) -> None:
    with Isolated(Target("strange_kernels:whole"), RELU, timeout=20.0) as isolated:
        counted = [_run(isolated, 1).results[0][0] for _ in range(3)]
        first = _run(isolated, 2).results[0][0]
        assert _run(isolated, 12).died == "ended its process with exit status 7"
        assert counted == [1.0, 2.0, 3.0]
        assert _run(isolated, 1).results[0][0] == 1.0
        assert _run(isolated, 2).results[0][0] != first


@pytest.mark.parametrize(("size", "name"), [(10, "SIGSEGV"), (11, "SIGABRT"), (17, "SIGKILL")])
def test_a_crash_is_told_with_its_signal(isolated: Isolated, size: int, name: str) -> None:
    done = _run(isolated, size)
    assert done.died == f"killed by {name}"
    assert done.failed
    if size == 10:
        assert "in forward" in done.traceback, "the place of the crash is in the traceback"
    if size == 11:
        assert "on its way out" in done.traceback


@pytest.mark.parametrize("size", [13, 18])
def test_a_loop_is_ended_in_time(folder: Path, size: int) -> None:
    with Isolated(Target("strange_kernels:whole"), RELU, timeout=0.4) as isolated:
        start = time.monotonic()
        done = _run(isolated, size)
        assert done.died == "no answer in 0.4 s"
        assert time.monotonic() - start < 0.4 + 2 * isolation.GRACE + 1
        assert "in forward" in done.traceback, "where it was is in the traceback"
        assert not _run(isolated, 3).failed


@pytest.mark.parametrize("size", [14, 19])
def test_memory_running_away_is_ended(folder: Path, size: int) -> None:
    with Isolated(Target("strange_kernels:whole"), RELU, timeout=30.0, memory=250 * 2**20) as isolated:
        done = _run(isolated, size)
        assert done.died.startswith("held ")
        assert done.died.endswith("more than the 250 MiB that it may")
        assert not _run(isolated, 3).failed


@pytest.mark.parametrize(
    ("size", "error"), [(15, "SystemExit: 3"), (16, "KeyboardInterrupt:"), (23, "LookupError: not today")]
)
def test_what_is_raised_is_an_error_and_no_death(isolated: Isolated, size: int, error: str) -> None:
    done = _run(isolated, size)
    assert (done.error, done.died) == (error, "")
    assert "in forward" in done.traceback


def test_what_it_prints_does_not_disturb_the_answers(isolated: Isolated, capfd: pytest.CaptureFixture[str]) -> None:
    assert not _run(isolated, 20).failed
    assert capfd.readouterr() == ("", "")


def test_objects_come_back_as_an_array_of_their_shape(isolated: Isolated) -> None:
    (result,) = _run(isolated, 21).results
    assert (result.shape, result.dtype) == ((2,), np.dtype(object))


def test_inputs_that_are_written_to_and_handed_back_are_seen_there(isolated: Isolated) -> None:
    x = np.ones(22)
    done = isolated.perform("forward", [x], {})
    assert (done.written, done.shared, x[0]) == ([0], [(0, 0)], 1.0)


def test_a_function_is_bound_to_the_op_and_told_of(folder: Path) -> None:
    op = reference.get("batch_norm2d").in_layout("NCHW")
    with Isolated(Target("strange_kernels:probed"), op, timeout=20.0) as isolated:
        (names,) = isolated.perform("forward", [np.ones(2)], {}).results
        known = isolated.about("forward")
        assert names.tolist() == [5, 1]
        assert (known.framework, known.keywords) == ("mine 1.0", frozenset({"x", "slope_at_zero"}))
        assert isolated.about("backward") is None
        assert isolated.errors("forward", "float32") == {"exp": 2.0**-20}
        with pytest.raises(ValueError, match=r"errors of mine 1.0 in float16 cannot be measured: TypeError: no halves"):
            isolated.errors("forward", "float16")
        with pytest.raises(ValueError, match=r"strange_kernels:probed has no backward"):
            isolated.perform("backward", [], {})


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("no_such_module:f", "there is no module 'no_such_module'"),
        ("strange_kernels:nothing", "strange_kernels has no 'nothing'"),
        ("strange_kernels", "got 'strange_kernels'; admitted: module:object"),
        ("strange_kernels:calls", "got int; admitted"),
        ("raising_kernels:f", "importing raising_kernels raised RuntimeError: no device"),
        ("exiting_kernels:f", "exiting_kernels:f cannot be loaded: SystemExit: not on this machine"),
    ],
)
def test_what_cannot_be_loaded_is_refused_by_name(folder: Path, target: str, told: str) -> None:
    with pytest.raises(ValueError, match=f"^implementation: .*{told}"), Isolated(Target(target), RELU):
        pass


@pytest.mark.parametrize(
    ("module", "seconds", "how"),
    [("looping_kernels", 1.0, "no answer in 1 s"), ("crashing_kernels", 60.0, "killed by SIGABRT")],
)
def test_a_death_while_loading_is_told_by_each_call_and_not_repeated(
    folder: Path, monkeypatch: pytest.MonkeyPatch, module: str, seconds: float, how: str
) -> None:
    monkeypatch.setattr(isolation, "LOADING", seconds)
    with Isolated(Target(f"{module}:f"), RELU, timeout=0.1) as isolated:
        monkeypatch.setattr(isolation, "_Process", None)  # it is not started again
        deaths = {isolated.perform("forward", [np.ones(1)], {}).died for _ in range(3)}
        assert deaths == {f"{how} while {module}:f was loaded"}
        assert isolated.about("forward") is None


def test_functions_of_a_module_are_pickled_by_name(folder: Path) -> None:
    import strange_kernels

    with Isolated(strange_kernels.half, RELU, timeout=20.0) as isolated:
        assert _run(isolated, 3, slope_at_zero=2.5).results[0].tolist() == [2.5] * 3
        assert isolated.about("backward") is None


def test_a_closure_is_pickled_by_value() -> None:
    slope = 3.0
    with Isolated(Implementation(lambda x, **attrs: x * slope, None), RELU, timeout=20.0) as isolated:
        assert _run(isolated, 2).results[0].tolist() == [3.0, 3.0]


SCRIPT = """
import numpy as np
import reference
from gradcheck.implementation import Implementation
from gradcheck.isolation import Isolated

print("once")

def forward(x, **attrs):
    return 7 * x

with Isolated(Implementation(forward, None), reference.get("relu")) as isolated:
    print(isolated.perform("forward", [np.ones(1)], {}).results)
"""


def test_a_script_s_own_functions_are_pickled_by_value_and_it_is_not_run_again(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    ran = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.stdout.split("\n")[:2] == ["once", "[array([7.])]"], ran.stderr


@pytest.mark.parametrize("given", [lambda x: x, Function(lambda names, x: x, "mine")], ids=["closure", "wrapped"])
def test_without_cloudpickle_a_closure_is_refused_with_the_way_out(
    given: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(
        ValueError, match=r'give it as "module:object", or install cloudpickle .*gradcheck\[isolation\]'
    ):
        Isolated(Implementation(given, None), RELU)


def of_a_script(x: Any) -> Any:
    """Goes as a function of a script, too."""
    return x


def test_a_function_of_this_file_gets_there() -> None:
    with Isolated(Implementation(of_a_script, None), RELU, timeout=20.0) as isolated:
        assert _run(isolated, 2).results[0].tolist() == [1.0, 1.0]


def test_without_cloudpickle_what_another_interpreter_cannot_import_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    monkeypatch.setattr(of_a_script, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "of_a_script", of_a_script, raising=False)
    with pytest.raises(ValueError, match="a fresh interpreter cannot import __main__"):
        pickled("implementation", of_a_script)


def test_what_nobody_can_pickle_is_refused() -> None:
    lock = threading.Lock()
    with pytest.raises(ValueError, match=r'cannot be pickled .*; give it as "module:object"'):
        Isolated(Implementation(lambda x: lock, None), RELU)


def test_an_op_that_is_not_of_the_catalogue_comes_along(folder: Path) -> None:
    op = replace(RELU, name="relu_of_my_own")
    with Isolated(Target("strange_kernels:whole"), op, timeout=20.0) as isolated:
        assert not _run(isolated, 3).failed


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ({"timeout": 0}, "timeout: got 0; admitted: seconds above 0"),
        ({"timeout": float("nan")}, "timeout: got nan"),
        ({"timeout": True}, "timeout: got True"),
        ({"memory": 0}, "memory: got 0; admitted: bytes above 0"),
        ({"memory": 1.5}, "memory: got 1.5"),
    ],
)
def test_bounds_that_are_none_are_refused(bounds: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Isolated(Target("a:b"), RELU, **bounds)


def test_memory_is_asked_of_ps_where_there_is_no_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ps"
    program.write_text('#!/bin/sh\n[ "$*" = "-o rss= -p 17" ] && echo "  2048"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert isolation._resident_by_ps(17) == 2 * 2**20
    assert isolation._resident_by_ps(18) == 0
    monkeypatch.setattr(isolation, "_resident", lambda process: 0)
    with pytest.raises(ValueError, match="memory: got 5; admitted: None, since this system does not tell"):
        Isolated(Target("a:b"), RELU, memory=5)


def test_the_memory_of_a_process_counts_what_it_started() -> None:
    alone = isolation._resident(os.getpid())
    program = "x = bytes([1]) * (64 * 2**20); print(len(x), flush=True); input()"
    asked = [sys.executable, "-c", program]
    with subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert isolation._resident(os.getpid()) > alone + 60 * 2**20
        child.kill()


def _gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    state = Path(f"/proc/{process}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize("busy", [False, True])
def test_the_process_ends_with_its_parent(folder: Path, busy: bool) -> None:
    script = f"""
import sys, threading, numpy as np, reference
sys.path.insert(0, {str(folder)!r})
from gradcheck.implementation import Target
from gradcheck.isolation import Isolated
with Isolated(Target("strange_kernels:whole"), reference.get("relu"), timeout=30.0) as isolated:
    print(int(isolated.perform("forward", [np.ones(2)], {{}}).results[0][0]), flush=True)
    isolated.perform("forward", [np.ones(13)], {{}}) if {busy} else threading.Event().wait()
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout as said:
        child = int(said.readline())
        time.sleep(0.2)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 5
    while not _gone(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _gone(child)


def _interrupted(isolated: Isolated) -> None:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        _run(isolated, 13)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_an_interrupt_ends_the_process_and_comes_out_here(folder: Path) -> None:
    with Isolated(Target("strange_kernels:whole"), RELU, timeout=30.0) as isolated:
        child = int(_run(isolated, 2).results[0][0])
        with pytest.raises(KeyboardInterrupt):
            _interrupted(isolated)
        assert _gone(child)
