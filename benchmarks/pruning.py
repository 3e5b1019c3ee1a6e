"""What masks cost: a masked training step beside a dense one, and one update of the masks.

    python benchmarks/pruning.py

Dense and masked steps alternate in one process, on the same model, data and optimizer, and the
ratio is taken pair by pair, so that whatever else the machine does weighs on both alike. The
masking alone is timed as well: its share of a step is the same figure without the noise of the
step, and the fastest of many runs is the figure that other processes spoil least. Goals on two
cores: at most 2% on a step, at most 0.25 s for 11 million weights.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings

import numpy as np
import torch
from torch import nn

from prunescope.models import build_model
from prunescope.pruning import DISTRIBUTIONS, Criterion, Masks

N_ATTRIBUTES = 40
ATTRIBUTES = [f"attribute {i}" for i in range(N_ATTRIBUTES)]
SIZE = 64
SPARSITY = 0.95


def seconds(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


class Training:
    """A model, a batch and an optimizer as in a real run."""

    def __init__(self, arch, batch_size):
        self.model = build_model(arch, ATTRIBUTES, image_size=SIZE)
        self.model.to(memory_format=torch.channels_last).train()
        self.images = torch.rand(batch_size, 3, SIZE, SIZE)
        self.labels = torch.randint(2, (batch_size, N_ATTRIBUTES)).float()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.875)
        self.masks = Criterion().update(self.model, Masks.dense(self.model), SPARSITY)
        self.masks.apply_(self.model)

    def step(self):
        """Update the weights once."""
        self.optimizer.zero_grad()
        logits = self.model(self.images)
        nn.functional.binary_cross_entropy_with_logits(logits, self.labels).backward()
        self.optimizer.step()


def measure_step(arch, batch_size, n_pairs):
    training = Training(arch, batch_size)
    for _ in range(3):
        training.step()
    ratios, dense, masking = [], [], []
    for pair in range(n_pairs):
        time_of = {}
        for masked in (True, False) if pair % 2 else (False, True):
            handle = training.masks.hold(training.model, training.optimizer) if masked else None
            training.step()  # what was done in between has emptied the caches
            time_of[masked] = seconds(training.step)
            if handle:
                (hook,) = training.optimizer._optimizer_step_post_hooks.values()
                masking.append(seconds(lambda hook=hook: hook(training.optimizer, (), {})))
                handle.remove()
        ratios.append(time_of[True] / time_of[False])
        dense.append(time_of[False])
    low, ratio, high = np.percentile(ratios, [25, 50, 75])
    print(
        f"step   {arch:12} {training.masks.n_weights:>10,} weights, batch {batch_size:>3}: "
        f"masked/dense {ratio:.3f} (quartiles {low:.3f} to {high:.3f}); "
        f"fastest dense step {min(dense) * 1e3:.0f} ms, masking alone {min(masking) * 1e3:.2f} ms, "
        f"{min(masking) / min(dense):.2%} of it"
    )


def measure_update(arch, n_repeats):
    model = build_model(arch, ATTRIBUTES, image_size=SIZE)
    model.to(memory_format=torch.channels_last)
    dense = Masks.dense(model)
    for distribution in DISTRIBUTIONS:
        criterion = Criterion(distribution=distribution)
        before = criterion.update(model, dense, 0.9)
        for what, masks in (("first", dense), ("from 90%", before)):
            times = [
                seconds(lambda c=criterion, m=masks: c.update(model, m, SPARSITY))
                for _ in range(n_repeats)
            ]
            print(
                f"update {arch:12} {masks.n_weights:>10,} weights, {distribution:7} {what:8}: "
                f"median {statistics.median(times):.3f} s, fastest {min(times):.3f} s"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=15, help="pairs of steps per model")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    warnings.simplefilter("ignore")  # random weights: layers may vanish
    for arch, batch_size in (("resnet_small", 128), ("resnet18", 64)):
        measure_step(arch, batch_size, options.pairs)
    measure_update("resnet18", n_repeats=9)


if __name__ == "__main__":
    main()
