"""Every command, on consoles that are narrow, of few letters, closed, or that nobody reads."""

import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from importlib import import_module

import pytest
from rich.table import Table
from typer.testing import CliRunner

from prunescope.cli import app as program
from prunescope.cli.console import colourless
from prunescope.cli.streams import LEAST_WIDTH, PLAINLY
from prunescope.cli.terminal import Terminal
from prunescope.predictions import Predictions

STUDY = """
name: small-é
data: {size: 32, n_train: 48, n_val: 12, n_test: 40, attributes: [Smiling, Bald], groups: [Male]}
base: {architectures: [resnet_small], methods: [gmp-ri], sparsities: [0.9]}
"""

COMMANDS = {
    "audit": "audit dense.parquet --compressed sparse.parquet --replicates 50 -o audit-2",
    "report": "report audit --format json,html",
    "gate": "gate audit",
    "policy init": "policy init audit -o policy-2.yaml",
    "policy power": "policy power dense.parquet --flips 0.04 --images 1000",
    "samples": "samples dense.parquet --compressed sparse.parquet -o samples.csv",
    "slices": "slices dense.parquet --compressed sparse.parquet -o slices",
    "forecast": "forecast dense.parquet -o forecast-2",
    "forecast score": "forecast score forecast --against sparse.parquet --replicates 100",
    "mitigate thresholds": (
        "mitigate thresholds sparse.parquet --criterion dense-rate --dense dense.parquet -o t.json"
    ),
    "mitigate route": "mitigate route sparse.parquet dense.parquet --share 0.1 -o route",
    "review export": "review export audit -o decided.csv",
    "data info": "data info audit/data.yaml",
    "study plan": "study plan study.yaml --no-time",
}
"""Commands that are quick, each as it is typed in a folder where there is what it needs."""

OF_NO_WORD = re.compile(r"[\s─-╿+|\-=.]")
"""What a narrow console may add or leave out: spaces, and the lines of tables."""


@pytest.fixture(scope="module")
def made(tmp_path_factory, answers):
    """Return a folder with predictions, an audit, a forecast, a study, decisions."""
    folder = tmp_path_factory.mktemp("made")
    _, sparse = answers(folder)
    model = Predictions.load(sparse)
    replace(model, metadata=model.metadata.model_copy(update={"name": "sparse é→"})).save(sparse)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for typed in (
            "audit dense.parquet --compressed sparse.parquet --replicates 50 -o audit",
            "forecast dense.parquet -o forecast",
        ):
            assert CliRunner().invoke(program.app, typed.split()).exit_code == 0
    (folder / "audit" / "data.yaml").write_text(
        "source: synthetic\nn_train: 48\nn_test: 40\nsize: 16"
    )
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    line = {"id": "face-1", "attribute": "Smiling", "answer": "yes", "by": "é"}
    line["at"] = "2026-01-01T00:00:00Z"
    (folder / "audit" / "decisions.jsonl").write_text(json.dumps(line) + "\n")
    return folder


@pytest.fixture
def printed(made, monkeypatch, tmp_path):
    """Return a function: a command, typed on a console → exit code, what it printed, its errors."""
    monkeypatch.chdir(made)
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(import_module("prunescope.verdict.power"), "PAIRS", 8)

    def run(typed, encoding="utf-8", width=80):
        for name in ("policy-2.yaml",):
            (made / name).unlink(missing_ok=True)
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr(sys, "argv", ["prunescope", *typed.split()])
        paths = tmp_path / "out", tmp_path / "err"
        with ExitStack() as files:
            for name, path in zip(("stdout", "stderr"), paths, strict=True):
                file = files.enter_context(path.open("w", encoding=encoding))
                monkeypatch.setattr(sys, name, file)
            with pytest.raises(SystemExit) as ended:
                program.run()
        told, wrong = (path.read_text(encoding=encoding) for path in paths)
        assert "Traceback" not in wrong
        return ended.value.code or 0, told, wrong

    return run


def letters(text):
    """Count the characters that say something."""
    return Counter(OF_NO_WORD.sub("", text))


def in_ascii(text):
    """Write the words of a text as a console of ASCII shows them."""
    return OF_NO_WORD.sub("", text).encode("ascii", PLAINLY).decode()


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_cut_off_on_a_narrow_console_of_ascii(printed, command):
    code, wide, wrong = printed(COMMANDS[command], width=1000)
    assert code in (0, 1), wrong
    assert "…" not in wide
    again, narrow, _ = printed(COMMANDS[command], "ascii", LEAST_WIDTH)
    assert again == code
    assert letters(in_ascii(wide)) - letters(narrow) == Counter()


@pytest.mark.parametrize(
    ("encoding", "width"),
    [("utf-8", 0), ("utf-8", 40), ("utf-8", 80), ("utf-8", 300), ("ascii", 40), ("cp1252", 80),
     ("latin-1", LEAST_WIDTH), ("cp437", 300)],
)  # fmt: skip
def test_a_gate_says_the_same_on_every_console(printed, encoding, width):
    code, wide, _ = printed(COMMANDS["gate"], width=1000)
    again, told, _ = printed(COMMANDS["gate"], encoding, width)
    assert again == code == 1
    assert letters(in_ascii(wide)) - letters(in_ascii(told)) == Counter()
    if encoding == "utf-8":  # what stands for an arrow elsewhere is longer
        assert all(len(line) <= max(width, LEAST_WIDTH) for line in told.splitlines())
    minus = "-" if encoding in ("ascii", "cp1252", "latin-1", "cp437") else "−"
    assert f"{minus}3.7 points" in " ".join(told.split())


NAMES = sorted({command.name for command in program.app.registered_commands} | {"data info"})


@pytest.mark.parametrize("command", ["", *NAMES])
def test_help_is_whole_on_any_console(printed, command):
    code, wide, _ = printed(f"{command} --help", width=1000)
    assert code == 0
    for width in (LEAST_WIDTH, 40):
        code, narrow, _ = printed(f"{command} --help", "ascii", width)
        assert code == 0
        words = r"--[a-z-]+" if command else r"^[ │]*(?:\w+)\b"
        assert set(re.findall(words, wide)) <= set(re.findall(words, narrow))


def test_json_is_the_same_on_any_console(printed):
    typed = f"{COMMANDS['gate']} --json"
    code, wide, _ = printed(typed)
    assert "sparse é→" in json.dumps(json.loads(wide), ensure_ascii=False)
    for encoding in ("ascii", "cp1252"):
        assert printed(typed, encoding, 20)[:2] == (code, wide)


def started(made, typed, **how):
    """Start a command as a process of its own."""
    (made / "policy-2.yaml").unlink(missing_ok=True)
    command = [sys.executable, "-m", "prunescope", *typed.split()]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
    return subprocess.Popen(command, cwd=made, **how)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (COMMANDS["gate"], 1),  # not passed, whoever reads it
        (COMMANDS["audit"], 0),
        ("--help", 0),
    ],
)
def test_a_reader_that_goes_changes_nothing(made, tmp_path, typed, code):
    process = started(made, typed)
    process.stdout.close()  # as 'head' does, sooner than anything is printed
    wrong = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(60) == code
    for line in wrong.splitlines():
        assert re.match(r"(note: |warning: |\w+: done in )", line), wrong


@pytest.mark.parametrize(
    ("typed", "code", "closed"),
    [
        (COMMANDS["gate"], 1, (1,)),
        (COMMANDS["gate"], 1, (0, 1, 2)),
        (f"{COMMANDS['policy init']} --json", 0, (2,)),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="a program of Windows begins with all of them")
def test_what_is_closed_takes_nothing_and_spoils_nothing(made, typed, code, closed):
    def close():
        for number in closed:
            os.close(number)

    process = started(made, typed, preexec_fn=close)
    out, wrong = process.communicate(timeout=60)
    assert process.returncode == code
    assert wrong == b""
    if 1 not in closed:
        assert out.strip()
    if typed.endswith("--json") and 1 not in closed:
        assert json.loads(out)["policy"] == "policy-2.yaml"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")  # noqa: PTH110
def test_a_full_disk_is_one_line_and_no_success(made):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        process = started(made, COMMANDS["gate"], stdout=full)
        _, wrong = process.communicate(timeout=60)
    assert process.returncode == 2
    errors = [line for line in wrong.decode().splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert "No space left on device" in errors[0]
    assert "Traceback" not in wrong.decode()


def test_ctrl_c_is_one_line_and_130_from_the_first_moment_on(monkeypatch, capsys):
    from prunescope.cli import main

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "run", interrupted)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err.splitlines() == [
        "stopped; no file is half-written; what was trained goes on by the same command"
    ]


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self):
        return True


ASKED = [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": "unknown"}]


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("command", ["gate", "study plan"])
def test_a_person_who_asks_for_no_colour_gets_no_escape_codes(made, monkeypatch, command, asked):
    monkeypatch.chdir(made)
    for typed in (COMMANDS[command], f"{command} --help", f"{command} --no-such-option"):
        for environment in ({"TERM": "xterm-256color"}, asked):
            screens = Screen(), Screen()
            with monkeypatch.context() as patch:
                patch.delenv("NO_COLOR", raising=False)
                for name, value in environment.items():
                    patch.setenv(name, value)
                patch.setattr(sys, "argv", ["prunescope", *typed.split()])
                patch.setattr(sys, "stdout", screens[0])
                patch.setattr(sys, "stderr", screens[1])
                patch.setattr("typer.rich_utils.COLOR_SYSTEM", "auto")
                with pytest.raises(SystemExit):
                    program.run()
            shown = "".join(screen.getvalue() for screen in screens)
            assert shown.strip()
            assert ("\x1b" in shown) == (environment is not asked), (typed, environment)


@pytest.mark.parametrize(("value", "colours"), [("", True), ("1", False), ("0", False)])
def test_no_color_is_any_text(monkeypatch, value, colours):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", value)
    assert colourless() == (not colours)


def test_a_table_that_is_too_wide_is_a_list(monkeypatch, capsys):
    table = Table("model", "accuracy", "", title="Figures")
    table.add_row("sparse-network", "0.987 \\[0.981, 0.992]", "mind")
    table.add_row("dense", "", "–")
    monkeypatch.setenv("COLUMNS", "24")
    Terminal().print(table)
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "Figures",
        "model: sparse-network",
        "  accuracy: 0.987",
        "  [0.981, 0.992]",
        "  mind",
        "model: dense",
        "  –",
    ]
    monkeypatch.setenv("COLUMNS", "60")
    Terminal().print(table)
    assert "│ sparse-network │ 0.987 [0.981, 0.992] │ mind │" in capsys.readouterr().out
