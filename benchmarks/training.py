"""How fast training is: the whole loop on a memory-mapped data set, beside the bare step.

The bare step is what a GPU or CPU can do at most: forward, backward and update on one batch that
lies on the device as floats, without loading, augmentation, callbacks or reports. Both are timed
in turns in one run, so that the ratio holds on a busy machine too.

    python benchmarks/training.py --arch resnet_small --image-size 64 --rounds 5
    python benchmarks/training.py --arch resnet18 --batch-size 256 --precision bf16 --compile
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import torch

from prunescope.data.dataset import Dataset
from prunescope.data.samples import Samples
from prunescope.models import build_model
from prunescope.training import LOSSES, Callback, Recipe, device_for, train
from prunescope.training.devices import autocast
from prunescope.training.optimizers import build_optimizer

N_ATTRIBUTES = 40


def noise(folder, n_images, size):
    """Return a data set of random pixels and labels in a memory-mapped file."""
    rng = np.random.default_rng(0)
    path = Path(folder) / "pixels.npy"
    np.save(path, rng.integers(0, 256, (n_images, 3, size, size), np.uint8))
    names = tuple(f"attribute {i}" for i in range(N_ATTRIBUTES))
    labels = rng.integers(0, 2, (n_images, N_ATTRIBUTES)).astype(np.int8)
    return Dataset(
        name="noise",
        fingerprint="noise",
        samples=Samples(pl.Series([str(i) for i in range(n_images)]), names, labels),
        pixels=np.load(path, mmap_mode="r"),
        rows=np.arange(n_images),
        splits=np.full(n_images, "train"),
    )


def wait_for(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Stopwatch(Callback):
    """Times the steps after the first `skip`, in which a GPU compiles and warms up."""

    def __init__(self, skip):
        self.skip = skip
        self.seconds = 0.0

    def on_step_end(self, state):
        """Start once the first steps are done."""
        if state.step == self.skip:
            wait_for(state.device)
            self.seconds = -time.perf_counter()

    def on_train_end(self, state):
        """Stop."""
        wait_for(state.device)
        self.seconds += time.perf_counter()


def loop_speed(model, dataset, recipe, steps, skip, device):
    """Return the images per second of `train`."""
    watch = Stopwatch(skip)
    train(model, dataset, recipe.replace(steps=skip + steps), callbacks=[watch], device=device)
    return steps * recipe.batch_size / watch.seconds


def bare_speed(model, dataset, recipe, steps, skip, device):
    """Return the images per second of the step alone."""
    model.train()
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    size = dataset.size
    images = torch.rand(recipe.batch_size, 3, size, size, device=device)
    images = images.contiguous(memory_format=layout)
    labels = torch.from_numpy(dataset.samples.labels[: recipe.batch_size]).to(device)
    optimizer = build_optimizer(model, recipe)
    forward = torch.compile(model) if recipe.compile and device.type == "cuda" else model
    for step in range(skip + steps):
        if step == skip:
            wait_for(device)
            started = time.perf_counter()
        with autocast(recipe, device):
            logits = forward(images)
        loss = LOSSES["multilabel"](logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    wait_for(device)
    return steps * recipe.batch_size / (time.perf_counter() - started)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", default="resnet_small")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=20, help="timed in each round")
    parser.add_argument("--skip", type=int, default=3, help="steps to warm up in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--crop-padding", type=int, default=0)
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--deterministic", action="store_true")
    parser.add_argument("--device")
    options = parser.parse_args()
    device = device_for(options.device)
    recipe = Recipe(
        steps=1,
        batch_size=options.batch_size,
        learning_rate=0.01,
        nesterov=True,
        crop_padding=options.crop_padding,
        precision=options.precision,
        compile=options.compile,
        deterministic=options.deterministic,
    )
    with tempfile.TemporaryDirectory() as folder:
        dataset = noise(folder, options.images, options.image_size)
        model = build_model(
            options.arch, dataset.samples.attributes, image_size=options.image_size
        ).to(device, memory_format=torch.channels_last)
        speeds = [
            tuple(
                measure(model, dataset, recipe, options.steps, options.skip, device)
                for measure in (bare_speed, loop_speed)
            )
            for _ in range(options.rounds)
        ]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"{options.arch}, {parameters:,} parameters, {options.image_size} px seen at "
        f"{model.spec.preprocessing.input_size} px, batch {options.batch_size}, "
        f"{options.precision}{', compiled' if options.compile else ''}, "
        f"{torch.get_num_threads()} threads, {device}"
    )
    print(f"{'round':>6}{'bare step':>14}{'train()':>12}{'ratio':>8}   (images/s)")
    for number, (bare, loop) in enumerate(speeds, start=1):
        print(f"{number:>6}{bare:>14,.0f}{loop:>12,.0f}{loop / bare:>8.2f}")
    bare, loop = (statistics.median(column) for column in zip(*speeds, strict=True))
    ratio = statistics.median(loop / bare for bare, loop in speeds)
    print(f"{'median':>6}{bare:>14,.0f}{loop:>12,.0f}{ratio:>8.2f}")


if __name__ == "__main__":
    main()
