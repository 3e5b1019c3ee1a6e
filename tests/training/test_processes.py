import importlib.util
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from prunescope.errors import ConfigError
from prunescope.training import Processes
from prunescope.training.batches import training_batches

SCRIPT = Path(__file__).with_name("joint.py")
SPEC = importlib.util.spec_from_file_location("joint", SCRIPT)
joint = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(joint)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Prune with two processes, then with one."""
    folder = tmp_path_factory.mktemp("joint")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    launch = [
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
        "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
        "--main_process_ip", "127.0.0.1", "--main_process_port", str(port),
    ]  # fmt: skip
    ran = subprocess.run(
        [*launch, str(SCRIPT), str(folder)], capture_output=True, text=True, timeout=180
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    joint.run(folder, "alone")
    return folder


def load(folder, name, method, normalized):
    return load_file(folder / f"{name}-{method.replace('/', '')}-{normalized}.safetensors")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("method", joint.METHODS)
@pytest.mark.parametrize("normalized", [False, True])
def test_all_processes_end_with_the_same_masks_and_weights(folder, method, normalized):
    first, second = (load(folder, f"rank{rank}", method, normalized) for rank in (0, 1))
    for name, value in first.items():
        assert torch.equal(value, second[name]) or "running" in name, name
    kept = sum(int(value.sum()) for name, value in first.items() if name.startswith("mask."))
    assert kept == round(0.2 * (8 * 27 + 256))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("method", joint.METHODS)
def test_two_processes_do_what_one_does(folder, method):
    """Where nothing is normalised by what each process sees of a batch."""
    two, one = (load(folder, name, method, False) for name in ("rank0", "alone"))
    for name, value in one.items():
        if name.startswith("mask."):
            assert (value == two[name]).float().mean() > 0.99, name
        else:
            assert torch.allclose(value, two[name], atol=1e-3), name


@pytest.mark.timeout(240)
def test_only_the_first_writes_what_resuming_needs(folder):
    for file in ("training", "shares", "layer-1"):
        kept = {path.parts[len(folder.parts)] for path in folder.rglob(f"{file}.safetensors")}
        assert kept - {"shared"} == {"resume-rank0", "resume-alone"}  # that one is of both


@pytest.mark.timeout(240)
def test_all_go_on_from_what_the_first_wrote(folder):
    """Each stopped after a layer, in one folder, and began anew."""
    names = ("rank0", "rank1", "whole0")
    first, second, whole = (load(folder, name, "resumed", True) for name in names)
    for name, value in whole.items():
        assert torch.equal(value, first[name])
        assert torch.equal(value, second[name])


@pytest.mark.parametrize("count", [1, 2, 4, 16])
def test_shares_make_up_every_batch(count):
    dataset, recipe = joint.dots(), joint.RECIPE.replace(crop_padding=2)
    cpu = torch.device("cpu")
    parts = [
        list(training_batches(dataset, recipe, 0, 4, cpu, Processes(rank, count)))
        for rank in range(count)
    ]
    for step, whole in enumerate(training_batches(dataset, recipe, 0, 4, cpu)):
        mine = [part[step] for part in parts]
        assert np.array_equal(np.concatenate([b.positions for b in mine]), whole.positions)
        assert torch.equal(torch.cat([b.images for b in mine]), whole.images)
        assert torch.equal(torch.cat([b.labels for b in mine]), whole.labels)


@pytest.mark.parametrize("count", [3, 17])
def test_batches_that_cannot_be_shared_evenly(count):
    batches = training_batches(
        joint.dots(), joint.RECIPE, 0, 1, torch.device("cpu"), Processes(0, count)
    )
    with pytest.raises(ConfigError, match=f"batches of 16 images .* evenly by {count} processes"):
        next(batches)


def test_alone_without_a_launcher():
    assert Processes.current() == Processes(0, 1)
