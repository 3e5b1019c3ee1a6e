"""SIGKILL between the layers of `prune --method reconstruct`, and between batches of `sensitivity`.

What is there then is no result; the same command ends in the bits of a run that was never killed.
"""

import subprocess
import sys

import polars as pl
import pytest

NETS = """
import torch
from torch import nn


def tiny(n_outputs):
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3, 2),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, n_outputs),
    )
"""

SUPERVISOR = """
import os, signal, sys
sys.path.insert(0, os.getcwd())
from pathlib import Path
import torch
import prunescope.report, prunescope.study
from prunescope.cli import main
from prunescope.sensitivity.one_layer import run
from prunescope.sensitivity.one_layer import state
from prunescope.training import batch_norm

torch.set_num_threads(1)
state.SAVE_EVERY, run.BATCH_SIZE = 0, 8  # each batch is kept, and there are several
batch_norm.N_BATCHES, batch_norm.BATCH_SIZE = 3, 8


def attempt(line, kill_at=None):
    "Run a command in a child, killed before its n-th piece of unfinished work is in its place."
    child = os.fork()
    if child == 0:
        seen = 0
        def hook(event, arguments):
            nonlocal seen
            if event == "os.rename" and ".unfinished" in str(arguments[1]):
                if seen == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen += 1
        sys.addaudithook(hook)
        sys.argv = ["prunescope", *line.split()]
        code = 70
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        finally:
            sys.stdout.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def must(line, kill_at=None):
    assert attempt(line, kill_at) == (0 if kill_at is None else -signal.SIGKILL), (line, kill_at)


must("data make --n-train 24 --n-val 24 --n-test 4 --size 16 -o faces")
for name, command in COMMANDS.items():
    must(f"{command} -o {name}-whole")
    for kill_at in KILLS:
        must(f"{command} -o {name}", kill_at)
        assert not list(Path(name).glob("[!.]*")), "no part of a result"
    assert len(list(Path(f".{name}.unfinished").rglob("*.safetensors"))) > 0
    must(f"{command} -o {name}")
    assert not list(Path().glob(f".{name}.*")), "nothing unfinished is left"
"""

DATA = "any_layers:tiny --data faces --size 16 --attributes Male,Smiling --groups Male"
COMMANDS = {
    "pruned": f"prune {DATA} --method reconstruct --sparsity 0.5",
    "plain": f"sensitivity {DATA} --levels 0.5 --replicates 0",
    "reconstructed": f"sensitivity {DATA} --method reconstruct --levels 0.5 --replicates 0",
}
KILLS = (0, 2, 1)
"""Files that are in their place when it is killed; each goes on from the one before."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    (folder / "any_layers.py").write_text(NETS)
    told = f"COMMANDS, KILLS = {COMMANDS!r}, {KILLS!r}\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", told + SUPERVISOR],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return folder


def test_layers_that_are_reconstructed_end_with_the_same_bits(killed):
    for file in ("model.safetensors", "masks.safetensors"):
        whole = (killed / "pruned-whole" / file).read_bytes()
        assert (killed / "pruned" / file).read_bytes() == whole


@pytest.mark.parametrize("name", ["plain", "reconstructed"])
def test_sensitivity_ends_with_the_same_bits(killed, name):
    for file in ("sensitivity", "layers", "together"):
        found, whole = (
            pl.read_parquet(killed / folder / f"{file}.parquet")
            for folder in (name, f"{name}-whole")
        )
        assert found.height > 0
        assert found.equals(whole, null_equal=True)
