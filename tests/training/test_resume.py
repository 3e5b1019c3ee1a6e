"""Interruptions: simulated at every step, and real ones of a child process."""

import contextlib
import json
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from prunescope.errors import CheckpointError
from prunescope.training import Callback, Recipe, train
from prunescope.training.resume import HEADER

RECIPE = Recipe(
    steps=14,
    batch_size=16,
    learning_rate=0.1,
    crop_padding=1,
    weight_decay=1e-3,
    deterministic=True,
)


class Stop(BaseException):
    """Stands for the end of the process."""


class Interrupt(Callback):
    """Ends everything at one event at one step."""

    def __init__(self, event, step):
        self.step = step
        setattr(self, event, self.maybe)

    def maybe(self, state):
        if state.step == self.step:
            raise Stop


class Average(Callback):
    """Keeps the mean of a weight, which makes its state matter to the result."""

    def __init__(self):
        self.mean = torch.zeros(8)

    def on_step_end(self, state):
        self.mean = 0.9 * self.mean + 0.1 * state.model[7].weight.detach()[0]

    def on_train_end(self, state):
        state.model[7].weight.data[0] = self.mean

    def state_dict(self):
        return {"mean": self.mean}

    def load_state_dict(self, state):
        self.mean = state["mean"]


def run(model, dataset, folder=None, recipe=RECIPE, callbacks=()):
    return train(
        model, dataset, recipe, callbacks=[Average(), *callbacks], resume_dir=folder, device="cpu"
    )


def same(a, b):
    return all(torch.equal(a.state_dict()[name], value) for name, value in b.state_dict().items())


def strip_times(history):
    return [(e.epoch, e.step, e.loss, e.lr) for e in history.epochs]


@pytest.mark.parametrize("event", ["on_step_start", "on_step_end", "on_epoch_end"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_resuming_after_any_step_gives_the_bits_of_an_unbroken_run(
    dots, network, tmp_path, event, optimizer
):
    recipe = RECIPE.replace(optimizer=optimizer, learning_rate=0.01)
    dataset, unbroken = dots(n=64), network()
    expected = run(unbroken, dataset, recipe=recipe)
    for step in range(14):
        folder, broken = tmp_path / str(step), network()
        # An epoch ends at steps 4, 8, 12 and 14: only there has on_epoch_end an effect.
        with contextlib.suppress(Stop):
            run(broken, dataset, folder, recipe, [Interrupt(event, step)])
        resumed = network()
        history = run(resumed, dataset, folder, recipe, [Interrupt(event, -1)])
        assert same(resumed, unbroken)
        assert strip_times(history) == strip_times(expected)


def test_no_more_is_done_than_what_is_left(dots, network, tmp_path):
    steps = []

    class Count(Interrupt):
        def on_step_start(self, state):
            steps.append(state.step)

    with pytest.raises(Stop):
        run(network(), dots(n=64), tmp_path, callbacks=[Count("on_step_end", 10)])
    steps.clear()
    run(network(), dots(n=64), tmp_path, callbacks=[Count("on_step_end", -1)])
    assert steps == [8, 9, 10, 11, 12, 13]


def test_training_that_has_ended_is_not_repeated(dots, network, tmp_path):
    first, again = network(), network()
    expected = run(first, dots(), tmp_path)
    assert run(again, dots(), tmp_path) == expected
    assert same(first, again)


def test_state_is_restored_before_training_starts(dots, network, tmp_path):
    class Look(Callback):
        def on_train_start(self, state):
            self.seen = state.step, state.epoch, state.model[7].weight.clone()

        def on_epoch_end(self, state):
            if state.epoch == 2:
                self.weight = state.model[7].weight.clone()
            if state.epoch == 3:
                raise Stop

    first, again = Look(), Look()
    with pytest.raises(Stop):
        run(network(), dots(), tmp_path, callbacks=[first])
    with pytest.raises(Stop):
        run(network(), dots(), tmp_path, callbacks=[again])
    assert first.seen[:2] == (0, 0)
    assert again.seen[:2] == (8, 2)
    assert torch.equal(again.seen[2], first.weight)


def test_the_folder_holds_one_file_and_no_pickle(dots, network, tmp_path):
    run(network(), dots(), tmp_path / "deep" / "state")
    (path,) = (tmp_path / "deep" / "state").iterdir()
    assert path.name == "training.safetensors"
    names = load_file(path).keys()
    assert {name.split(".")[0] for name in names} == {"model", "optimizer", "callback"}
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["prunescope"]).keys() == {"run", "epochs"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("recipe", r"other recipe: learning_rate was 0.1 and is 0.2, seed was 0 and is 1; give"),
        ("data", "of a run with other data;"),
        ("labels", "of a run with other data;"),
        ("architecture", "of a run with other architecture;"),
        ("weights", "of a run with other starting weights;"),
        ("callbacks", "of a run with other callbacks;"),
    ],
)
def test_the_state_of_another_run_is_refused(dots, network, tmp_path, change, message):
    run(network(), dots(), tmp_path)
    before = (tmp_path / "training.safetensors").read_bytes()
    arguments = {
        "recipe": (network(), dots(), tmp_path, RECIPE.replace(learning_rate=0.2, seed=1)),
        "data": (network(), dots(seed=1), tmp_path),
        "labels": (network(), dots(unlabelled=0.1), tmp_path),
        "architecture": (network(dropout=0.2).append(torch.nn.Linear(3, 3)), dots(), tmp_path),
        "weights": (network(seed=1), dots(), tmp_path),
        "callbacks": (network(), dots(), tmp_path, RECIPE, [Callback()]),
    }[change]
    with pytest.raises(CheckpointError, match=message):
        run(*arguments)
    assert (tmp_path / "training.safetensors").read_bytes() == before


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_damaged_file(dots, network, tmp_path, share):
    run(network(), dots(), tmp_path)
    path = tmp_path / "training.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=r"is damaged.*remove it to train from the start"):
        run(network(), dots(), tmp_path)


@pytest.mark.parametrize("header", ["[" * 100 + "]" * 100, "[]", '{"run": {}, "epochs": [1]}'])
def test_a_header_that_nobody_wrote(dots, network, tmp_path, header):
    save_file({}, tmp_path / "training.safetensors", {HEADER: header})
    with pytest.raises(CheckpointError, match="is damaged"):
        run(network(), dots(), tmp_path)


def test_a_file_of_something_else(dots, network, tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "training.safetensors")
    with pytest.raises(CheckpointError, match="is damaged"):
        run(network(), dots(), tmp_path)


SUPERVISOR = """
import os, random, signal, sys, time
import numpy as np
import polars as pl
import torch
from safetensors.torch import save_file
from torch import nn
from prunescope.data.dataset import Dataset
from prunescope.data.samples import Samples
from prunescope.training import Callback, Recipe, train

EPOCHS = 40
torch.set_num_threads(1)
rng = np.random.default_rng(0)
labels = rng.integers(0, 2, (64, 2)).astype(np.int8)
dataset = Dataset(
    name="noise",
    fingerprint="0",
    samples=Samples(pl.Series([str(i) for i in range(64)]), ("A", "B"), labels),
    pixels=rng.integers(0, 256, (64, 3, 16, 16), np.uint8),
    rows=np.arange(64),
    splits=np.full(64, "train"),
)
torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(),
    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(64, 2),
)
recipe = Recipe(
    epochs=EPOCHS, batch_size=16, learning_rate=0.1, nesterov=True, crop_padding=1,
    deterministic=True,
)

def start(resume_dir, result):
    "Train in a child; return its id and a file in which it says each epoch that ends."
    said, say = os.pipe()
    child = os.fork()
    if child == 0:
        class Tell(Callback):
            def on_epoch_end(self, state):
                os.write(say, bytes([state.epoch]))
        train(model, dataset, recipe, callbacks=[Tell()], resume_dir=resume_dir, device="cpu")
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, result)
        os._exit(0)
    os.close(say)
    return child, said

def finish(child, said):
    epochs = list(iter(lambda: os.read(said, 1), b""))
    assert os.waitpid(child, 0)[1] == 0
    return [epoch[0] for epoch in epochs]

began = time.perf_counter()
assert finish(*start(None, "unbroken.safetensors")) == list(range(1, EPOCHS + 1))
seconds_per_epoch = (time.perf_counter() - began) / EPOCHS
moments = random.Random(0)
epochs = []
for _ in range(8):
    child, said = start("state", "broken.safetensors")
    epochs += [os.read(said, 1)[0] for _ in range(moments.randint(1, 4))]
    time.sleep(moments.uniform(0, 1) * seconds_per_epoch)  # in an epoch, or while it is saved
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    epochs += os.read(said, 100)
    os.close(said)
epochs += finish(*start("state", "broken.safetensors"))
print(*epochs)
"""


def test_a_process_killed_at_random_moments_ends_with_the_bits_of_an_unbroken_run(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SUPERVISOR],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    epochs = [int(word) for word in done.stdout.split()]
    assert epochs[0] == 1
    assert epochs[-1] == 40
    # It went on from about where it was: an epoch is told again only if it was not saved yet.
    assert set(epochs) == set(range(1, 41))
    assert len(epochs) <= 40 + 8
    a, b = (load_file(tmp_path / f"{name}.safetensors") for name in ("unbroken", "broken"))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
