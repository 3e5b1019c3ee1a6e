"""The README and the story say what is true: their blocks run in order, on the demo's files."""

import itertools
import re
import shlex
import shutil
from pathlib import Path

import pytest

import prunescope.study.demo as demo_module
from prunescope.data import DataConfig
from prunescope.study import run_demo
from prunescope.study.sweep import silent
from prunescope.training import RECIPES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
STORY = [f"docs/story/{name}.md" for name in ("audit", "verdict", "forecast", "mend", "gate")]
MAY_FAIL = ("prunescope gate",)
"""Commands that a judgement ends with 1."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder in which the demo has run, smaller, and two files of one's own lie."""
    folder = tmp_path_factory.mktemp("pages")
    small = {"n_train": 100, "n_val": 100, "n_test": 300, "size": 16, "groups": ("Male", "Young")}
    small["attributes"] = ("Bald", "Beard", "Male", "Smiling", "Young")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_module, "DataConfig", lambda **how: DataConfig(**{**how, **small}))
        for name in ("demo", "demo-pt"):
            patch.setitem(RECIPES, name, RECIPES[name].replace(steps=20, batch_size=4))
        run_demo(folder / "demo", seed=0, tell=lambda _: None, show=silent)
    for name, file in {"dense": "dense", "pruned": "gmp-pt-95"}.items():
        shutil.copy(folder / "demo" / f"{file}.parquet", folder / f"{name}.parquet")
    return folder


def run(line, prunescope):
    """Run a line of a shell as the page means it."""
    words = shlex.split(line, comments=True)
    match words:
        case ["make", target]:
            [recipe] = re.findall(
                rf"(?m)^{target}:.*\n\t\$\(BIN\)/(.*)$", (ROOT / "Makefile").read_text()
            )
            assert recipe == "prunescope demo -o demo"
            assert Path("demo/report.html").is_file()
        case [".", script]:
            assert script == ".venv/bin/activate"
        case ["prunescope", *arguments]:
            ran = prunescope(*arguments)
            assert ran.code in ((0, 1) if line.startswith(MAY_FAIL) else (0,)), ran.err
        case _:
            raise AssertionError(f"what is this? {line}")


@pytest.mark.parametrize("page", ["README.md", *STORY])
def test_every_block_runs(page, folder, monkeypatch, prunescope, capsys):
    monkeypatch.chdir(folder)
    space = {}
    for kind, block in re.findall(r"(?ms)^```(\w*)\n(.*?)^```", (ROOT / page).read_text("utf-8")):
        if kind == "python":
            exec(block, space)
            assert capsys.readouterr().out
        elif kind == "sh":
            for line in block.replace("\\\n", " ").splitlines():
                run(line, prunescope)
        else:
            assert kind == "text", f"a block of {page} that is neither run nor output"


def test_the_readme_is_short():
    assert len(README.split()) <= 500


def test_the_readme_has_one_picture_and_the_test_command():
    [picture] = re.findall(r"!\[[^]]+\]\((.*?)\)", README)
    assert (ROOT / picture).stat().st_size < 200_000
    assert "`make test` runs the tests" in " ".join(README.split())


def test_the_story_is_told_in_order():
    """Each page names the next, and the README all of them."""
    for page, after in itertools.pairwise(STORY):
        assert f"]({Path(after).name})" in (ROOT / page).read_text("utf-8").split("**Next:**")[1]
    assert [f"]({page})" in README for page in STORY] == [True] * len(STORY)
