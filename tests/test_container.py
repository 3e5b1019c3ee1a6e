"""The container's file, as far as it can be read: it copies enough, and runs the demo."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def instructions():
    text = (ROOT / "Containerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def values(name):
    return [value for key, value in instructions() if key == name]


@pytest.fixture(scope="module")
def recipes():
    """Return what the Makefile installs for the demo, and runs."""
    text = (ROOT / "Makefile").read_text("utf-8")
    [install] = re.findall(r"\t\$\(PIP\) install --no-compile (.*)", text)
    [demo] = re.findall(r"^demo:.*\n\t\$\(BIN\)/(.*)", text, flags=re.M)
    assert re.search(r"^demo: \$\(VENV\)/train", text, flags=re.M)
    return install.replace("$(@F)", "train").replace("-e ", ""), demo


def test_it_installs_and_runs_what_the_makefile_does(recipes):
    install, demo = recipes
    [command] = values("CMD")
    assert json.loads(command) == shlex.split(demo)
    pip = shlex.split(values("RUN")[0])
    assert pip[:2] == ["pip", "install"]
    assert pip[-3:] == shlex.split(install) == ["-c", "constraints.txt", ".[train]"]
    # pip takes the build for processors: 2.13.0+cpu is newer than 2.13.0, and fits the same pin
    assert pip[pip.index("--extra-index-url") + 1] == "https://download.pytorch.org/whl/cpu"
    assert "--index-url" not in pip


def test_its_python_is_one_that_prunescope_names():
    [image] = values("FROM")
    version = re.fullmatch(r"docker\.io/library/python:(3\.\d+)-slim", image)[1]
    assert f'"Programming Language :: Python :: {version}"' in (ROOT / "pyproject.toml").read_text()


def test_nobody_is_root():
    names = [name for name, _ in instructions()]
    [user] = values("USER")
    assert user == "prunescope" in values("RUN")[-1].split()
    assert names.index("USER") > max(place for place, name in enumerate(names) if name == "RUN")
    assert values("WORKDIR")[-1] == f"/home/{user}"


def test_what_it_copies_is_there_and_enough_to_install(tmp_path):
    copied = [value.split()[:-1] for value in values("COPY")]
    sources = [source for line in copied for source in line]
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert ignored[1] == "*"
    assert [line[1:] for line in ignored if line.startswith("!")] == sources
    for source in sources:
        if (ROOT / source).is_dir():
            caches = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / source, tmp_path / source, ignore=caches)
        else:
            shutil.copy(ROOT / source, tmp_path / source)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
