"""Where -o leads to is looked at before anything is read, so no file that is named here exists."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from filelock import FileLock

from prunescope.cli.app import app
from prunescope.cli.output import REPORT
from prunescope.files import LOCK
from prunescope.report import FORMATS
from prunescope.report.write import FILES as NAMES

RESULT = {
    "audit": ("audit", "no.parquet", "--compressed", "no.parquet", "-o"),
    "forecast": ("forecast", "no.parquet", "-o"),
    "route": ("mitigate", "route", "no.parquet", "no.parquet", "-o"),
    "compare": ("mitigate", "compare", "-o"),
    "search": ("mitigate", "search", "no", "-o"),
    "slices": ("slices", "no.parquet", "--compressed", "no.parquet", "-o"),
    "explain": ("explain", "no", "--dense", "no", "--compressed", "no", "-o"),
}
MODEL = {
    "train": ("train", "--data", "no.csv", "-o"),
    "prune": ("prune", "no", "-o"),
    "quantize": ("quantize", "no", "-o"),
    "finetune": ("mitigate", "finetune", "no", "-o"),
}
FOLDER = RESULT | MODEL | {"demo": ("demo", "-o"), "data make": ("data", "make", "-o")}
FILE = {
    "predict": ("predict", "no", "-o"),
    "thresholds": ("mitigate", "thresholds", "no.parquet", "-o"),
    "samples": ("samples", "no.parquet", "no.parquet", "-o"),
    "export": ("export", "no", "-o"),
    "policy init": ("policy", "init", "no", "-o"),
    "review export": ("review", "export", "no", "-o"),
    "gate": ("gate", "no", "--junit"),
    "slices": ("slices", "no.parquet", "--compressed", "no.parquet", "--save-groups"),
}
LATER = {"predict", "report", "forecast score", "study report", "study run", "study track",
         "study status"}  # fmt: skip
"""Commands whose default place hangs on another argument, or that only read there."""


def test_every_option_looks_at_once_or_is_known_to_look_later():
    command = typer.main.get_command(app)
    found, looking = set(), set()
    for name, one in command.commands.items():
        for inner, each in getattr(one, "commands", {"": one}).items():
            for option in each.params:
                if "--out" in option.opts:
                    whole = f"{name} {inner}".strip()
                    found.add(whole)
                    looking |= {whole} if option.callback is not None else set()
    assert len(found) > 18
    assert found - looking == LATER


@pytest.mark.parametrize("name", FOLDER)
def test_a_file_where_a_folder_goes(prunescope, tmp_path, name):
    (tmp_path / "there").write_text("mine")
    done = prunescope(*FOLDER[name], tmp_path / "there")
    assert done.code == 2
    assert done.err == f"error: cannot write {tmp_path / 'there'}: it is a file; name a folder\n"
    assert (tmp_path / "there").read_text() == "mine"


@pytest.mark.parametrize("name", FILE)
def test_a_folder_where_a_file_goes(prunescope, tmp_path, name):
    done = prunescope(*FILE[name], tmp_path)
    assert done.code == 2
    assert done.err == f"error: cannot write {tmp_path}: it is a folder; name a file\n"


@pytest.mark.parametrize("name", FOLDER | FILE)
def test_a_place_below_a_file(prunescope, tmp_path, name):
    (tmp_path / "there").write_text("mine")
    target = tmp_path / "there" / "deep" / "out.csv"
    done = prunescope(*(FOLDER | FILE)[name], target)
    assert done.code == 2
    assert done.err.startswith(f"error: cannot write {target}: ")
    assert done.err.count("\n") == 1


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody can write to")
@pytest.mark.parametrize("name", FOLDER | FILE)
def test_a_place_nobody_can_write_to(prunescope, name):
    done = prunescope(*(FOLDER | FILE)[name], "/proc/sys/out.csv")
    assert done.code == 2
    assert done.err.startswith("error: cannot write /proc/sys/out.csv: ")


@pytest.mark.parametrize("name", FOLDER)
@pytest.mark.parametrize("file", ["report.html", "score.parquet", "audit.json"])
def test_a_folder_of_other_files_is_left_alone(prunescope, tmp_path, name, file):
    (tmp_path / file).write_text("mine")
    done = prunescope(*FOLDER[name], tmp_path)
    assert done.code == 2
    assert "another folder" in done.err or "new or empty folder" in done.err
    assert [path.name for path in tmp_path.iterdir()] == [file]


def test_a_result_goes_beside_other_files(prunescope, tmp_path, answers):
    dense, sparse = answers(tmp_path)
    done = prunescope("audit", dense, "--compressed", sparse, "-o", tmp_path, "--replicates", "0")
    assert done.code == 0
    assert (tmp_path / "report.html").is_file()
    assert dense.is_file()


@pytest.mark.parametrize("name", sorted((FOLDER | FILE).keys() - {"demo", "data make"}))
def test_nothing_is_left_of_a_command_that_fails(prunescope, tmp_path, name):
    """Of all that take an input, which is absent."""
    target = tmp_path / "new" / "out.csv"
    done = prunescope(*(FOLDER | FILE)[name], target)
    assert done.code == 2
    assert "cannot write" not in done.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", RESULT)
def test_a_folder_that_another_process_writes_to(prunescope, tmp_path, name):
    with FileLock(tmp_path / LOCK):
        done = prunescope(*RESULT[name], tmp_path)
    assert done.code == 2
    assert f"another prunescope is writing to {tmp_path}: wait until it has ended" in done.err


@pytest.mark.parametrize("name", MODEL)
def test_a_model_that_another_process_writes(prunescope, tmp_path, name):
    with FileLock(tmp_path / ".out.lock"):
        done = prunescope(*MODEL[name], tmp_path / "out")
    assert done.code == 2
    assert "another prunescope is writing to" in done.err


def test_what_a_killed_command_left_goes(prunescope, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("audit.json", "report.html", "score.parquet"):
        (out / f".{name}.0a_b1c2d.part").touch()
    half = tmp_path / f".out.{'0a' * 16}.part"
    half.mkdir()
    (half / "half").touch()
    prunescope(*RESULT["audit"], out)
    prunescope(*MODEL["prune"], out)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("command", [RESULT["audit"], MODEL["prune"]])
def test_what_other_programs_are_writing_stays(prunescope, tmp_path, command):
    out = tmp_path / "out"
    names = {
        out: (".movie.mkv.part", f".faces.{'0a' * 16}.part", ".dense.part", ".report.pdf.part"),
        tmp_path: (".out.parquet.0a_b1c2d.part", ".out.part", f".faces.{'0a' * 16}.part"),
    }
    theirs = {folder / name for folder, all_of in names.items() for name in all_of}
    for path in theirs:
        path.mkdir(parents=True)
    prunescope(*command, out)
    assert set(tmp_path.rglob("*.part")) == theirs


def test_a_pdf_of_ones_own_is_no_page_of_an_audit():
    assert {NAMES.get(name, f"report.{name}") for name in FORMATS} == set(REPORT)


def test_an_audit_again_removes_the_pages_of_the_first(prunescope, tmp_path, answers):
    dense, sparse = answers(tmp_path)
    out = tmp_path / "audit"
    command = ("audit", dense, "--compressed", sparse, "-o", out, "--replicates", "0")
    assert prunescope(*command, "--format", "html,json").code == 0
    (out / "decisions.jsonl").write_text("")
    assert prunescope(*command, "--format", "md").code == 0
    pages = {path.name for path in out.iterdir()}
    assert {"report.md", "decisions.jsonl"} <= pages
    assert not {"report.html", "report.json"} & pages
    assert not [name for name in pages if name.startswith(".")]


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs /dev/full")
def test_a_full_disk_behind_the_output_is_one_line(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "prunescope", "--version"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith("No space left on device\n")
    assert done.stderr.count("\n") == 1
