"""A study of seconds, and what is left of one."""

import hashlib
import json
import os
import shutil
from dataclasses import replace

import pytest

from prunescope.study.running import run_study
from prunescope.study.sweep import silent

TINY = """
name: tiny
data:
  size: 32
  seed: SEED
  n_train: 48
  n_val: 12
  n_test: 40
  attributes: [Smiling, Bald, Male]
  groups: [Male]
base:
  architectures: [tiny_network:build]
  methods: [gmp-pt, gmp-ri]
  sparsities: [0.9]
  seeds: [0, 1]
  recipe: {steps: 24, batch_size: 12, learning_rate: 0.1, warmup: 0}
  recipe_pt: {steps: 20, batch_size: 12, learning_rate: 0.1, warmup: 0}
audit: {replicates: 0, min_support: 1}
"""

NETWORK = """
from torch import nn


def build(n_outputs):
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, n_outputs),
    )
"""


@pytest.fixture
def show():
    return silent


@pytest.fixture
def network(tmp_path, monkeypatch):
    """Put the module of a tiny network where it can be imported, here and in other processes."""
    (tmp_path / "tiny_network.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def write_study(network, seed):
    """Return a function that writes a study, the tiny one with some text replaced."""

    def write(*changes, name="study.yaml"):
        text = TINY.replace("SEED", str(seed))
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (network / name).write_text(text)
        return network / name

    return write


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory, seed):
    """Make the tiny study once; return where, and how it ended."""
    home = tmp_path_factory.mktemp("unbroken")
    (home / "tiny_network.py").write_text(NETWORK)
    (home / "study.yaml").write_text(TINY.replace("SEED", str(seed)))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(home)
        patch.setenv("PRUNESCOPE_CACHE", str(home / "cache"))
        return home, run_study(home / "study.yaml", home / "out")


@pytest.fixture
def done(unbroken, network):
    """Return the file of the tiny study and how it ended, in a copy of its own."""
    home, outcome = unbroken
    shutil.copytree(home, network, dirs_exist_ok=True)
    return network / "study.yaml", replace(outcome, folder=network / "out")


@pytest.fixture
def whole(unbroken, contents):
    """Return what an unbroken study leaves."""
    return contents(unbroken[0] / "out")


@pytest.fixture(scope="session")
def contents():
    """Return a function that digests every file of a study, but for times, locks and commits."""
    return digests


def digests(folder):
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or name.startswith("locks"):
            continue
        data = path.read_bytes()
        if path.name == "prunescope.json":
            told = json.loads(data)
            del told["created"]
            told.pop("git_commit", None)  # somebody may commit meanwhile
            data = json.dumps(told).encode()
        if path.name == "log.jsonl":
            lines = [json.loads(line) for line in data.decode().splitlines()]
            last = {line["epoch"]: line["step"] for line in lines}
            data = repr(sorted(last.items())).encode()
        found[name] = hashlib.sha256(data).hexdigest()
    return found
