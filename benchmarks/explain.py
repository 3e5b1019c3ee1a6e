"""Do maps show what a model leans on? A planted trigger, whose pixels are known.

    OMP_NUM_THREADS=1 python benchmarks/explain.py [--seeds 2] [--images 48]

Drawn faces of 64 pixels; in training a yellow corner goes with Smiling (on 80% of its positives and
20% of its negatives, or on 65% and 35%), in the test on half of both. Of each strength and seed, a
dense resnet_small and what is left of it at several sparsities, by one shot and by gradual pruning.
For each model:

- backdoor bias amplification: how much more its positive answers lean to the trigger than truth;
- the share of what speaks for Smiling that lies in the corner's pixels, a mean over test images
  that carry the trigger, where the area alone would give 2%;
- two controls, where there is no trigger in that corner: the same images with the yellow square in
  the opposite corner, and without any.

If maps show what a model leans on, the first share rises with the amplification, the shares of the
controls stay small and do not. Rank correlations are Spearman's: over all models, and over those of
one dense network alone (sparsities; ranks within each family, taken together). The 95% bootstrap
intervals resample models within each family; models of one family are not independent, so that they
are somewhat narrow.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from scipy.stats import rankdata

from prunescope.data import TRIGGER, Backdoor, plant, synthetic_faces
from prunescope.errors import PrunescopeWarning
from prunescope.explain import gradcam, integrated_gradients
from prunescope.models import build_model, to_unit_range
from prunescope.pruning import prune
from prunescope.training import RECIPES, train
from prunescope.training.inference import infer

RESULTS = Path(__file__).parent / "results"
ATTRIBUTE, SIZE, BATCH = "Smiling", 64, 64
STRENGTHS = ((0.8, 0.2), (0.65, 0.35))
PLANTED = {
    strength: Backdoor(
        kind="yellow-corner", attribute=ATTRIBUTE, positive=strength[0], negative=strength[1]
    )
    for strength in STRENGTHS
}
TRIGGER_ON = PLANTED[STRENGTHS[0]].on
ONE_SHOT = (0.7, 0.9, 0.95)
GRADUAL = (0.9, 0.95, 0.98, 0.99)
CONDITIONS = ("trigger in its corner", "trigger in the opposite corner", "no trigger")
METHODS = {
    "Grad-CAM": gradcam,
    "integrated gradients": lambda *asked: integrated_gradients(*asked, steps=16, most=16),
}
REPLICATES = 10_000


def models_of(faces, seed):
    """Yield name and model: a dense one, and what is pruned from it."""
    training = faces.split("train")
    dense = build_model("resnet_small", faces.samples.attributes, image_size=SIZE, seed=seed)
    train(dense, training, RECIPES["demo"].replace(batch_size=BATCH, seed=seed))
    yield "dense", dense
    for sparsity in ONE_SHOT:
        yield f"one-shot {sparsity:.0%}", prune(dense, training, "one-shot", sparsity).model
    short = RECIPES["demo-pt"].replace(steps=80, batch_size=BATCH, seed=seed)
    for sparsity in GRADUAL:
        made = prune(dense, training, "gmp-pt", sparsity, recipe=short)
        yield f"gradual {sparsity:.0%}", made.model


def amplification(model, test, column):
    """Return the trigger's share of positive answers less its share of true positives."""
    yes = infer(model, test)[:, column] > 0
    carries = test.samples.groups[TRIGGER].codes == 1
    true = test.samples.labels[:, column] == 1
    return np.nan if not yes.any() else carries[yes].mean() - carries[true].mean()


def share_inside(method, model, images, column, box):
    """Return the mean share of what speaks for yes that lies in a box."""
    values = method(model, images, column).values.clamp(min=0).numpy()
    totals = values.sum(axis=(1, 2))
    inside = (values * box).sum(axis=(1, 2))[totals > 0] / totals[totals > 0]
    return inside.mean() if len(inside) else np.nan


def conditions(clean, test, n, seed):
    """Return the images of each condition, and where the trigger's pixels are (H, W)."""
    carriers = np.flatnonzero(test.samples.groups[TRIGGER].codes == 1)
    chosen = np.random.default_rng(seed).choice(carriers, n, replace=False)
    plain = clean.images(chosen)
    planted = TRIGGER_ON(plain)
    moved = TRIGGER_ON(plain[..., ::-1, ::-1])[..., ::-1, ::-1]
    box = (TRIGGER_ON(np.zeros((3, SIZE, SIZE), np.uint8)) > 0).any(axis=0)
    found = [to_unit_range(torch.from_numpy(np.array(one))) for one in (planted, moved, plain)]
    return found, box


def measure(strength, seed, n):
    """Return a row for each model of a strength and seed."""
    clean = synthetic_faces(3000, 1, 1500, size=SIZE, seed=seed)
    faces = plant(clean, PLANTED[strength])
    test, column = faces.split("test"), faces.samples.attributes.index(ATTRIBUTE)
    images, box = conditions(clean.split("test"), test, n, seed)
    family = f"{strength[0]:.0%} and {strength[1]:.0%}, seed {seed}"
    rows = []
    for name, model in models_of(faces, seed):
        shares = [
            [share_inside(method, model, one, column, box) for one in images]
            for method in METHODS.values()
        ]
        rows.append((family, name, amplification(model, test, column), np.array(shares)))
        print(family, name, round(rows[-1][2], 3), np.round(rows[-1][3], 3).tolist(), flush=True)
    return rows


def correlation(x, y, families, rng, *, within):
    """Return Spearman's correlation with a 95% bootstrap interval, and of how many models."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y, families = x[known], y[known], families[known]
    places = [np.flatnonzero(families == family) for family in np.unique(families)]
    statistic = rank_within if within else rank
    drawn = []
    for _ in range(REPLICATES):
        rows = [rng.choice(at, len(at)) for at in places]
        drawn.append(statistic([x[at] for at in rows], [y[at] for at in rows]))
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    found = statistic([x[at] for at in places], [y[at] for at in places])
    return found, low, high, len(x)


def rank(xs, ys):
    """Return the rank correlation over all families together."""
    return pearson(rankdata(np.concatenate(xs)), rankdata(np.concatenate(ys)))


def rank_within(xs, ys):
    """Return the correlation of ranks within each family, less the mean rank there."""

    def centred(values):
        return np.concatenate([rankdata(one) - (len(one) + 1) / 2 for one in values])

    return pearson(centred(xs), centred(ys))


def pearson(x, y):
    return np.nan if np.ptp(x) == 0 or np.ptp(y) == 0 else np.corrcoef(x, y)[0, 1]


def report(rows, options, minutes):
    """Write the tables."""
    families = np.array([row[0] for row in rows])
    bias = np.array([row[2] for row in rows])
    shares = np.stack([row[3] for row in rows])  # models × methods × conditions
    rng = np.random.default_rng(0)
    area = 100 * (TRIGGER_ON(np.zeros((3, SIZE, SIZE), np.uint8))[0] > 0).mean()
    lines = [
        "# Maps and a planted trigger",
        "",
        f"`benchmarks/explain.py`, {len(rows)} models in {len(np.unique(families))} families, "
        f"each of one dense network, {options.images} images; {minutes:.0f} minutes of processor "
        f"time. The trigger covers {area:.1f}% of an image.",
        "",
        "Spearman's rank correlation of backdoor bias amplification with the share of what speaks",
        f"for {ATTRIBUTE} that lies in the trigger's corner, with 95% bootstrap intervals.",
        "",
        "| method | images | all models | within a family | share, dense | share, pruned |",
        "|---|---|---|---|---|---|",
    ]
    dense = np.array([row[1] == "dense" for row in rows])
    shown = dict(zip(CONDITIONS, np.moveaxis(shares, 2, 0), strict=True))
    shown["trigger in its corner, less no trigger"] = shares[:, :, 0] - shares[:, :, 2]
    for i, method in enumerate(METHODS):
        for condition, of_methods in shown.items():
            one = of_methods[:, i]
            cells = []
            for within in (False, True):
                found, low, high, n = correlation(bias, one, families, rng, within=within)
                told = "" if n == len(rows) else f", {n} models"
                cells.append(f"{found:+.2f} ({low:+.2f} to {high:+.2f}{told})")
            means = f"{np.nanmean(one[dense]):.1%} | {np.nanmean(one[~dense]):.1%}"
            lines.append(f"| {method} | {condition} | {' | '.join(cells)} | {means} |")
    lines += [
        "",
        "Each model. Shares in the corner: with the trigger there, in the opposite one, without.",
        "",
        f"| trigger in training | model | amplification | {' | '.join(METHODS)} |",
        "|---|---|---|---|---|",
    ]
    for family, name, biased, of in rows:
        told = " | ".join(" · ".join("–" if np.isnan(x) else f"{x:.1%}" for x in one) for one in of)
        lines.append(f"| {family} | {name} | {biased:+.3f} | {told} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--images", type=int, default=48)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", PrunescopeWarning)  # one shot alone may ruin a network
    start = time.process_time()
    rows = [
        row
        for strength in STRENGTHS
        for seed in range(options.seeds)
        for row in measure(strength, seed, options.images)
    ]
    text = report(rows, options, (time.process_time() - start) / 60)
    (RESULTS / "explain.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
