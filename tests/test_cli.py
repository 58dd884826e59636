"""The command line: in process, and as a process of its own."""

import dataclasses
import functools
import json
import math
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import gradcheck
import reference
from gradcheck import Report, catalogue, check_op, cli
from gradcheck.causes._texts import CAUSES
from gradcheck.checks import PROPERTIES
from gradcheck.commands import show as commands_show
from gradcheck.commands.verify import SHOWN
from gradcheck.documents._causes import CAUSES as OF_DOCUMENTS
from gradcheck.explain import explanations
from gradcheck.processes import spread
from gradcheck.report import CODES
from gradcheck.verify import check_drawn

ROOT = Path(gradcheck.__file__).parents[1]
OPS = reference.ops()
TWO = [op.name for op in OPS[:2]]
COMMANDS = list(cli.COMMANDS)


def invoke(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(cli.main, list(arguments), env=environment, catch_exceptions=False)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def strictly(text: str) -> Any:
    return json.loads(text, parse_constant=refuse)


def timeless(value: Any) -> Any:
    """JSON without the times."""
    if isinstance(value, dict):
        return {key: timeless(entry) for key, entry in value.items() if key != "seconds"}
    return [timeless(entry) for entry in value] if isinstance(value, list) else value


def started(*arguments: str, program: Sequence[str] = ("-m", "gradcheck"), **how: Any) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "TTY_COMPATIBLE")}
    command = [sys.executable, *program, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT, "env": environment}
    return subprocess.Popen(command, **(pipes | how))


def ran(*arguments: str) -> tuple[int, str, str]:
    process = started(*arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def wrong_copy() -> reference.Op:
    """The first op, with gradients of the other sign."""
    right = OPS[0].backward.__wrapped__

    def backward(*arrays: Any, **attrs: Any) -> Any:
        return tuple(None if g is None else -g for g in right(*arrays, **attrs))

    return dataclasses.replace(OPS[0], backward=backward)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an op that is wrong in this process."""
    right, wrong = reference.get, wrong_copy()

    def get(name: str) -> reference.Op:
        return wrong if name == OPS[0].name else right(name)

    monkeypatch.setattr(reference, "get", get)
    monkeypatch.setattr(catalogue, "get", get)
    return OPS[0].name


# Help, and what is not imported for it.


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_every_command(flag: str) -> None:
    found = invoke(flag)
    assert found.exit_code == 0
    assert set(COMMANDS) <= set(re.findall(r"^  (\w+) ", found.output, re.MULTILINE)), found.output
    assert "Exit status" in found.output


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_all_says_of_each_command_what_its_own_help_begins_with(command: str) -> None:
    own = " ".join(invoke(command, "--help").output.split())
    assert cli.COMMANDS[command].rstrip(".") in own


def test_help_imports_no_command() -> None:
    text = """
import sys
from gradcheck.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert not end.code, end.code
print(sorted(name for name in sys.modules if name.startswith("gradcheck.")))
"""
    found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, cwd=ROOT, check=True)
    assert found.stdout.splitlines()[-1] == "['gradcheck.cli', 'gradcheck.signals']"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_writes_json(command: str) -> None:
    found = invoke(command, "--help")
    assert found.exit_code == 0
    own = re.findall(r"^  (\w+) ", found.output.partition("Commands:")[2], re.MULTILINE)
    assert all("--json FILE" in invoke(command, *part, "--help").output for part in ([[name] for name in own] or [[]]))


def test_the_help_of_verify_names_every_property() -> None:
    text = invoke("verify", "--help").output
    assert not [prop.name for prop in PROPERTIES if prop.name not in text]


def test_help_comes_at_once_and_needs_nothing() -> None:
    text = """
import sys
from gradcheck.cli import main
for arguments in (["--help"], ["verify", "--help"], ["--version"]):
    try:
        main(arguments)
    except SystemExit as end:
        assert not end.code, end.code
print(sorted({name.partition(".")[0] for name in sys.modules} & {"numpy", "scipy", "rich", "ml_dtypes"}))
"""
    found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, cwd=ROOT, check=True)
    assert found.stdout.splitlines()[-1] == "[]"


def test_help_takes_less_than_a_second() -> None:
    def took() -> float:
        start = time.perf_counter()
        assert ran("--help")[0] == 0
        return time.perf_counter() - start

    assert min(took() for _ in range(3)) < 1


def test_the_version_is_that_of_the_package() -> None:
    found = invoke("--version")
    assert found.exit_code == 0
    assert gradcheck.__version__ in found.output.split()


# verify


def test_right_ops_are_verified() -> None:
    found = invoke("verify", *TWO, "--cases", "2", "-j", "1")
    assert found.exit_code == 0, found.output
    for name in TWO:
        (line,) = [line for line in found.output.splitlines() if line.startswith(f"{name} ")]
        assert line.endswith("  ok"), line
        assert f"{check_op(name, cases=2).compared:,d}" in line.split(), line
    assert "2 ops verified" in found.output


def test_an_op_that_is_named_twice_is_verified_once() -> None:
    found = invoke("verify", TWO[0], TWO[0], "--cases", "2", "-j", "1", "--json", "-")
    assert [op["title"] for op in strictly(found.stdout)["ops"]] == TWO[:1]


def test_without_names_the_whole_catalogue_is_verified() -> None:
    found = invoke("verify", "--cases", "1", "-j", "1", "--json", "-", "--property", "forward")
    assert [op["title"] for op in strictly(found.stdout)["ops"]] == [op.name for op in OPS]


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}], ids=["piped", "NO_COLOR"])
def test_piped_output_is_plain_lines(environment: dict[str, str]) -> None:
    found = invoke("verify", *TWO, "--cases", "2", "-j", "1", **environment)
    assert "\x1b" not in found.output
    assert "\r" not in found.output


def test_a_process_of_its_own_writes_plain_lines_to_a_pipe_and_is_content() -> None:
    code, out, err = ran("verify", *TWO, "--cases", "2", "-j", "1")
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert all(line.isprintable() for line in out.splitlines())


def test_json_on_standard_output_is_alone_there() -> None:
    code, out, err = ran("verify", *TWO, "--cases", "2", "-j", "1", "--json", "-")
    assert code == 0
    assert strictly(out)["ok"] is True
    assert "2 ops verified" in err


def test_the_json_file_is_what_standard_output_would_have_had(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    target.write_text("old")
    found = invoke("verify", *TWO, "--cases", "2", "-j", "1", "--json", str(target))
    assert found.exit_code == 0
    read = strictly(target.read_text())
    assert timeless(read) == timeless(strictly(invoke("verify", *TWO, "--cases", "2", "-j", "1", "--json", "-").stdout))
    assert (read["seed"], read["cases"], read["ok"]) == (0, 2, True)
    assert [(op["title"], op["verdict"], op["cases"]) for op in read["ops"]] == [(name, "MATCH", 2) for name in TWO]
    assert "2 ops verified" in found.output
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_the_same_seed_gives_the_same_json_and_another_seed_another() -> None:
    def result(seed: int, jobs: int) -> Any:
        arguments = ("verify", *TWO, "--cases", "9", "--seed", str(seed), "-j", str(jobs), "--json", "-")
        return timeless(strictly(ran(*arguments)[1]))

    first = result(3, 1)
    assert result(3, 1) == first
    assert result(3, 2) == first
    assert result(4, 1)["ops"] != first["ops"]


@pytest.mark.parametrize("prop", [prop.name for prop in PROPERTIES])
def test_a_property_that_finds_nothing_is_no_failure(prop: str) -> None:
    found = invoke("verify", "--cases", "4", "-j", "1", "--property", prop)
    assert found.exit_code == 0, found.output


def test_only_the_named_properties_are_checked() -> None:
    def compared(*properties: str) -> int:
        options = [word for prop in properties for word in ("--property", prop)]
        found = invoke("verify", TWO[0], "--cases", "2", "-j", "1", "--json", "-", *options)
        return int(strictly(found.stdout)["ops"][0]["compared"])

    assert compared("forward", "backward") == compared("forward") + compared("backward")
    assert compared("forward") == check_op(TWO[0], cases=2, properties="forward").compared


# Findings


def test_a_wrong_op_exits_1_and_says_how_to_repeat_it(broken: str) -> None:
    found = invoke("verify", *TWO, "--cases", "2", "-j", "1")
    assert found.exit_code == 1
    assert re.search(rf"^{broken} .* \d+ findings$", found.output, re.MULTILINE), found.output
    assert f"gradcheck replay {broken}:0:" in found.output
    assert re.search(r"^error\[G\d{3}\]: ", found.output, re.MULTILINE), found.output
    assert "1 of 2 ops have findings" in found.output


def test_findings_are_all_in_the_json_and_as_many_as_are_said(broken: str) -> None:
    found = invoke("verify", broken, "--cases", "3", "-j", "1", "--json", "-")
    assert found.exit_code == 1
    read = strictly(found.stdout)
    report = check_op(wrong_copy(), cases=3)
    assert (read["ok"], read["ops"][0]["verdict"]) == (False, "WRONG")
    assert sorted(f["message"] for f in read["ops"][0]["findings"]) == sorted(f.message for f in report.findings)
    assert f"{len(report.findings) - SHOWN} more findings" in found.stderr
    assert found.stderr.count("error[") == SHOWN


def test_the_replay_of_a_finding_finds_it_again(broken: str) -> None:
    again = strictly(invoke("verify", broken, "--cases", "2", "-j", "1", "--json", "-").stdout)["ops"][0]["findings"]
    for command in {f["again"] for f in again}:
        program, *arguments = command.split()
        assert program == "gradcheck"
        found = invoke(*arguments)
        assert found.exit_code == 1, found.output
        assert "error[" in found.output


# Wrong usage


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["verify", TWO[0] + "s"], f"did you mean '{TWO[0]}'"),
        (["show", TWO[0] + "s"], f"did you mean '{TWO[0]}'"),
        (["replay", TWO[0] + "s:0:0"], f"did you mean '{TWO[0]}'"),
        (["verify", "--cases", "0"], "--cases"),
        (["verify", "--cases", "many"], "--cases"),
        (["verify", "--seed", "-1"], "--seed"),
        (["verify", "-j", "0"], "-j"),
        (["verify", "--property", "speed"], "speed"),
        (["verify", "--no-such-option"], "--no-such-option"),
        (["show"], "OP"),
        (["replay", TWO[0]], "OP:SEED:CASE"),
        (["replay", f"{TWO[0]}:0"], "OP:SEED:CASE"),
        (["replay", f"{TWO[0]}:0:-1"], "OP:SEED:CASE"),
        (["replay", f"{TWO[0]}:a:0"], "OP:SEED:CASE"),
        (["replay", f"{TWO[0]}:0:0:0"], "OP:SEED:CASE"),
        (["replay", f"{TWO[0]}:\u0663:1"], "OP:SEED:CASE"),
        (["replay", f"{TWO[0]}:{'9' * 5000}:1"], "OP:SEED:CASE"),
        (["list", "--json", "x" * 300], "cannot be written"),
        (["no-such-command"], "no-such-command"),
        (["explain", "missing-sums"], "did you mean missing-sum"),
        (["explain", "G2001"], "did you mean G201"),
        (["explain", "weather"], "there are G001"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_wrong_usage_exits_2_and_says_what_is_wrong(arguments: list[str], says: str) -> None:
    found = invoke(*arguments)
    assert found.exit_code == 2, found.output
    assert says in found.output
    assert "Traceback" not in found.output


@pytest.mark.parametrize(
    "arguments",
    [["verify", TWO[0]], ["list"], ["show", TWO[0]], ["replay", f"{TWO[0]}:0:0"], ["explain"]],
    ids=lambda a: a[0],
)
def test_json_that_cannot_be_written_exits_2_before_any_work(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*arguments: Any, **named: Any) -> Any:
        raise AssertionError("worked")

    for module, name in ((catalogue, "perform"), (commands_show, "_facts"), (reference, "ops")):
        monkeypatch.setattr(module, name, work)
    monkeypatch.setattr("gradcheck.verify.check_drawn", work)
    for target in (tmp_path, tmp_path / "missing" / "result.json"):
        found = invoke(*arguments, "--json", str(target))
        assert found.exit_code == 2, found.output
        assert "cannot be written" in found.output


def test_a_name_as_long_as_the_system_takes_is_written(tmp_path: Path) -> None:
    target = tmp_path / ("x" * os.pathconf(tmp_path, "PC_NAME_MAX"))
    assert invoke("list", "--json", str(target)).exit_code == 0
    assert len(strictly(target.read_text())) == len(OPS)
    assert list(tmp_path.iterdir()) == [target]


# list, show, replay


@pytest.mark.parametrize("command", [("show", TWO[0]), ("explain", "G201"), ("list",)], ids=lambda c: c[0])
def test_no_width_is_taken_for_the_usual_one(command: tuple[str, ...]) -> None:
    assert invoke(*command, COLUMNS="0").output == invoke(*command, COLUMNS="80").output


def test_list_shows_every_op_in_its_family() -> None:
    found = invoke("list")
    assert found.exit_code == 0
    assert f"{len(OPS)} ops" in found.output
    rows = strictly(invoke("list", "--json", "-").stdout)
    assert [row["op"] for row in rows] == [op.name for op in OPS]
    assert {row["family"] for row in rows} == {f for f in reference.families() if reference.ops(f)}
    for row, op in zip(rows, OPS, strict=True):
        assert re.search(rf"^  {op.name} ", found.output, re.MULTILINE), op.name
        assert row["attributes"] == list(op.attributes)
        assert (row["witnesses"], row["conventions"]) == (len(op.witnesses), len(op.conventions))
        assert all(name in row["arrays"] for name in op.arrays)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_show_tells_all_about_an_op(op: reference.Op) -> None:
    found = invoke("show", op.name)
    assert found.exit_code == 0
    said = " ".join(found.output.split())
    assert " ".join((op.formula or "").split()) in said
    for text in (*op.attributes, *op.layouts, *(c.text for c in op.conventions), *(s.place for s in op.source)):
        assert text in said, f"{op.name}: {text}"
    read = strictly(invoke("show", op.name, "--json", "-").stdout)
    assert read["op"] == op.name
    assert len(read["attributes"]) == len(op.attributes)
    assert len(read["witnesses"]) == len(op.witnesses)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_replay_repeats_a_case_property_by_property_with_the_same_numbers(op: reference.Op) -> None:
    which = f"{op.name}:3:1"
    found = invoke("replay", which, "--json", "-")
    assert found.exit_code == 0, found.output
    assert timeless(strictly(invoke("replay", which, "--json", "-").stdout)) == timeless(strictly(found.stdout))
    assert strictly(found.stdout)["compared"] == check_drawn(op, 3, 1).compared
    rows = [line.split()[0] for line in found.stderr.splitlines() if line.endswith(("  ok", "  -"))]
    assert rows == [prop.name for prop in PROPERTIES if not prop.once]


# explain


@pytest.mark.parametrize("code", [*CODES, *CAUSES])
def test_every_code_is_explained(code: str) -> None:
    found = invoke("explain", code.lower())
    assert found.exit_code == 0, found.output
    read = strictly(invoke("explain", code, "--json", "-").stdout)
    assert read.get("documents") == OF_DOCUMENTS.get(code)
    assert (read.pop("code"), read["title"]) == (code, CODES.get(code) or CAUSES[code].title)
    said = " ".join(found.output.split())
    for text in read.values():
        assert text, code
        assert " ".join(text.split()) in said, f"{code}: {text}"
    assert read["wrong"] != read["right"], code


def test_without_a_code_all_are_listed() -> None:
    found = invoke("explain", "--json", "-")
    assert found.exit_code == 0
    read = strictly(found.stdout)
    assert read.pop("documents") == OF_DOCUMENTS
    assert list(read) == [*CODES, *CAUSES] == list(explanations())
    listed = [line.split()[0] for line in found.stderr.splitlines() if line.strip()]
    assert listed == [*explanations(), *OF_DOCUMENTS]


@pytest.mark.parametrize("code", OF_DOCUMENTS)
def test_every_cause_in_documents_is_explained(code: str) -> None:
    found = invoke("explain", code.upper())
    assert found.exit_code == 0, found.output
    assert " ".join(OF_DOCUMENTS[code].split()) in " ".join(found.output.split())
    assert strictly(invoke("explain", code, "--json", "-").stdout)["documents"] == OF_DOCUMENTS[code]


# Interrupted


def heeds_ctrl_c() -> None:
    """Also where the tests themselves run with the signal ignored, as jobs in the background do."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def survivors(group: int) -> list[int]:
    """Processes of a session that are still there."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == group and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


def all_gone(group: int) -> bool:
    """Whether nothing is left of a session; what has been told to end is given time to."""
    deadline = time.monotonic() + 10
    while survivors(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not survivors(group)


@contextmanager
def session(*arguments: str, code: str = "") -> Iterator[subprocess.Popen[str]]:
    """A run in a session of its own, of which nothing is left in the end; the code comes before the command line."""
    before = ("-c", f"{code}\nfrom gradcheck.cli import main\nmain()") if code else ("-m", "gradcheck")
    process = started(*arguments, program=before, start_new_session=True, preexec_fn=heeds_ctrl_c)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)


ENDLESS = ("verify", "--cases", "1000")
READY = "from gradcheck import signals; signals.heeded(); print('ready', flush=True)"


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_tells_what_was_done_exits_130_and_leaves_nothing_behind(jobs: int, tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    with session("verify", "--cases", "200", "-j", str(jobs), "--json", str(target)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("op ")
        assert process.stdout.readline().endswith("  ok\n")  # one op is done
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert all_gone(process.pid)
    assert process.returncode == 130, (out, err)
    done = re.search(r"interrupted; so far: (\d+) ops? verified: ([\d,]+) entries compared", out)
    assert done, (out, err)
    assert int(done[2].replace(",", "")) > 0, out
    assert err == ""
    assert not list(tmp_path.iterdir()), "the JSON of a half run"


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5])
def test_ctrl_c_at_any_moment_exits_130_with_one_line(moment: float) -> None:
    with session(*ENDLESS, "-j", "2", code=READY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(moment)  # imports, the start of the processes, their imports, work
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert all_gone(process.pid)
    assert (process.returncode, err) == (130, ""), out
    assert out.splitlines()[-1].startswith("interrupted; so far: "), out


@pytest.mark.parametrize("moment", [0.0, 0.6])
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("command", ["verify", "mutants"])
def test_sigterm_ends_every_process_and_exits_143(command: str, jobs: int, moment: float) -> None:
    with session(command, "--cases", "1000", "-j", str(jobs), OPS[0].name, code=READY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(moment)
        process.terminate()
        out, err = process.communicate(timeout=30)
        assert all_gone(process.pid)
    assert (process.returncode, err) == (143, ""), out
    assert out.splitlines()[-1].startswith("interrupted; so far: "), out


def test_no_process_outlives_a_parent_that_was_killed() -> None:
    with session(*ENDLESS, "-j", "2") as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.5)
        assert len(survivors(process.pid)) >= 3, "two, and who started them"
        process.kill()
        process.wait(timeout=30)
        assert all_gone(process.pid)


def test_ctrl_c_ends_a_command_that_waits_for_a_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with session("list", "--json", str(tmp_path / "pipe"), code=f"{READY}; signals.GRACE = 0.5") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")


def test_a_signal_that_is_ignored_stays_so() -> None:
    ignored = "import os, signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    with session("explain", "G201", code=f"{ignored}; {READY}; os.kill(os.getpid(), signal.SIGINT)") as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, ""), out


def test_an_exception_in_another_process_arrives_and_says_where_it_was_raised() -> None:
    with pytest.raises(ValueError, match="math domain error") as raised:
        dict(spread(math.sqrt, [4.0, -1.0, 9.0], 2))
    assert "_serve" in "".join(raised.value.__notes__)
    assert not multiprocessing.active_children()


def test_other_processes_never_see_ctrl_c() -> None:
    mask = functools.partial(signal.pthread_sigmask, signal.SIG_BLOCK)
    blocked = [found for _, found in spread(mask, [(), (), ()], 2)]
    assert len(blocked) == 3
    assert all(signal.SIGINT in found for found in blocked)
    assert signal.SIGINT not in mask(())


def test_a_process_that_ends_in_its_work_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="ended in the middle of its work"):
        dict(spread(os._exit, [3, 3, 3], 2))
    assert not multiprocessing.active_children()


def test_work_that_is_spread_is_all_done() -> None:
    squares = {float(n * n): float(n) for n in range(50)}
    assert dict(spread(math.sqrt, list(squares), 2)) == squares
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("arguments", [("list",), ("list", "--json", "-"), ("verify", TWO[0], "--cases", "1")])
def test_a_reader_that_goes_ends_a_command_quietly(arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = started(*arguments, stdout=writer)
    os.close(writer)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + signal.SIGPIPE, err
    assert "Error" not in err
    assert "Exception" not in err


def test_a_report_that_was_interrupted_keeps_what_was_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    right, calls = catalogue.perform, iter(range(100))

    def perform(task: catalogue.Task) -> Report:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return right(task)

    monkeypatch.setattr(catalogue, "perform", perform)
    found = invoke("verify", TWO[0], "--cases", "40", "-j", "1", "--json", str(tmp_path / "result.json"))
    compared = check_op(TWO[0], cases=2 * catalogue.CHUNK).compared
    assert found.exit_code == 130
    assert f"interrupted; so far: 1 op verified: {compared:,d} entries compared" in found.output
    assert not list(tmp_path.iterdir())


def test_an_interrupted_run_with_findings_shows_them(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right, calls = catalogue.perform, iter(range(100))

    def perform(task: catalogue.Task) -> Report:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return right(task)

    monkeypatch.setattr(catalogue, "perform", perform)
    found = invoke("verify", broken, "--cases", "40", "-j", "1")
    assert found.exit_code == 130
    assert f"gradcheck replay {broken}:0:" in found.output
    assert "1 of 1 ops have findings" in found.output.splitlines()[-1]
