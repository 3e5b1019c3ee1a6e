"""Choose how shrinkage depends on the number of classes, on networks that anyone can train.

    python examples/forecast/classes.py

`prunescope.forecast.drift` holds λ for attributes, which are two classes each. Here λ of K classes
is taken to be λ·(2 / K)^c, and c is chosen as rule.py chooses λ: the one whose `spectral-shrink`
has the highest average precision for flips, mean over all runs. For the record the log loss of the
class that the pruned network names, and the share of flips that is expected; the jitter is that of
attributes.

The worlds: scikit-learn's digits, drowned in noise, the later ones rarer, told apart as 3, 5 or 10
classes; and drawn faces, whose class is the first of a list of attributes that they have, as 3 or 5
classes. On each a small convolutional and a fully connected network are trained, pruned by gmp-pt
to 90, 95 and 98%. Runs that lose more than ten points of accuracy are left out: nobody would ship
them. Some 10 minutes on one thread of a CPU.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from unittest import mock

import numpy as np
import polars as pl
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score
from torch import nn

from prunescope.data import Dataset, Samples, synthetic_faces
from prunescope.forecast import SCORERS, drift
from prunescope.forecast.scorers import Case
from prunescope.predictions import Metadata, Predictions
from prunescope.pruning import prune
from prunescope.training import Recipe, infer, train

SPARSITIES = (0.9, 0.95, 0.98)
POWERS = np.arange(0, 3.01, 0.25)
MOST_LOST = 0.1
NOISE, COPIES = 60, 4
FEATURES = ("Bald", "Wearing_Hat", "Eyeglasses", "Beard")
DENSE = Recipe(
    steps=1000, optimizer="adam", learning_rate=2e-3, batch_size=64, weight_decay=1e-4, warmup=0.1
)


def classes(name: str, split: np.ndarray, codes: np.ndarray, pixels: np.ndarray) -> Dataset:
    """Return a data set of classes by number."""
    n, k = len(codes), codes.max() + 1
    labels = np.eye(k, dtype=np.int8)[codes]
    ids = pl.Series([str(i) for i in range(n)])
    samples = Samples(ids, tuple(f"class {c}" for c in range(k)), labels, task="multiclass")
    return Dataset(name, name, samples, pixels, np.arange(n), split)


def digits() -> Iterator[Dataset]:
    """Yield digits, told apart more and more finely."""
    rng = np.random.default_rng(0)
    told = load_digits()
    kept = rng.permutation(np.flatnonzero(rng.random(1797) < np.linspace(1, 0.25, 10)[told.target]))
    split = np.where(np.arange(len(kept)) < len(kept) // 3, "train", "test")
    images = np.concatenate([16 * told.images[kept]] * COPIES)
    noisy = np.clip(images + rng.normal(0, NOISE, images.shape), 0, 255).astype(np.uint8)
    pixels = np.repeat(noisy[:, None], 3, axis=1)
    codes = np.concatenate([told.target[kept]] * COPIES)
    for k in (3, 5, 10):
        yield classes(f"digits {k}", np.concatenate([split] * COPIES), codes * k // 10, pixels)


def faces() -> Iterator[Dataset]:
    """Yield drawn faces by the first of some attributes that they have."""
    drawn = synthetic_faces(2500, 10, 4000, size=16, seed=0)
    attributes = drawn.samples.attributes
    for k in (3, 5):
        chosen = [attributes.index(name) for name in FEATURES[: k - 1]]
        has = drawn.samples.labels[:, chosen] == 1
        codes = np.where(has.any(axis=1), has.argmax(axis=1), k - 1)
        yield classes(f"faces {k}", drawn.splits, codes, drawn.pixels[drawn.rows])


def network(kind: str, side: int, k: int) -> nn.Module:
    """Return a small network with fresh weights."""
    torch.manual_seed(0)
    if kind == "connected":
        return nn.Sequential(
            nn.Flatten(), nn.Linear(3 * side * side, 256), nn.ReLU(),
            nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, k),
        )  # fmt: skip
    layers: list[nn.Module] = []
    for before, after, stride in ((3, 32, 1), (32, 64, 2), (64, 64, 2)):
        convolution = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, k))


def power(chosen: float) -> mock._patch:  # type: ignore[type-arg]
    """Have λ fall with this power of the number of classes."""
    return mock.patch.object(drift, "FEWER", chosen)


def judged(dense: Predictions, case: Case, sparse: np.ndarray) -> list[tuple[float, float, float]]:
    """Return log loss, average precision of flips and expected flips for each power."""
    found = []
    rows, top, named = np.arange(len(sparse)), dense.decisions.argmax(1), sparse.argmax(1)
    for chosen in POWERS:
        with power(chosen):
            p = SCORERS["spectral-shrink"].look(case).flip_probability
        share = abs(dense.decisions - p)[rows, named]
        risk = p[rows, top]
        ap = average_precision_score(top != named, risk)
        found.append((-np.log(np.maximum(share, 1e-6)).mean(), ap, risk.mean()))
    return found


def main() -> None:
    """Train, prune, and print the figures of every run and the power."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    every, seen = [], 0.0
    for dataset in (*digits(), *faces()):
        training, test = dataset.split("train"), dataset.split("test")
        k, codes = len(test.samples.attributes), test.samples.labels.argmax(axis=1)
        for kind in ("convolutional", "connected"):
            model = network(kind, dataset.size, k)
            train(model, training, DENSE)
            z = infer(model.eval(), test)
            dense = Predictions(test.samples, z, Metadata(name="dense"))
            right = (z.argmax(axis=1) == codes).mean()
            for sparsity in SPARSITIES:
                recipe = DENSE.replace(learning_rate=1e-3)
                pruned = prune(model, training, "gmp-pt", sparsity, recipe=recipe).model
                sparse = infer(pruned, test)
                lost = right - (sparse.argmax(axis=1) == codes).mean()
                flips = (sparse.argmax(axis=1) != z.argmax(axis=1)).mean()
                figures = judged(dense, Case(dense, training.samples.rates(), sparsity), sparse)
                best = POWERS[np.argmax([ap for _, ap, _ in figures])]
                kept = lost <= MOST_LOST
                print(
                    f"{dataset.name}, {kind}, {sparsity:.0%}: {right:.3f} right, {lost:+.3f} "
                    f"lost, {flips:.3f} flip, best c {best:g}{'' if kept else ' (left out)'}",
                    flush=True,
                )
                if kept:
                    every.append(figures)
                    seen += flips
    means = np.mean(every, axis=0)
    for chosen, (loss, ap, expected) in zip(POWERS, means, strict=True):
        print(f"c {chosen:g}: log loss {loss:.4f}, AP {ap:.3f}, expected flips {expected:.3f}")
    best = POWERS[means[:, 1].argmax()]
    print(f"c = {best:g}, over {len(every)} runs; flips seen {seen / len(every):.3f}")


if __name__ == "__main__":
    main()
