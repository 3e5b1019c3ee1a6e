"""Do maps show what a model leans on? A planted trigger, whose pixels are known.

    OMP_NUM_THREADS=1 python benchmarks/explain.py [--seeds 2] [--images 48] [--report]

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

It takes some ten minutes of one core; with --report it writes of what was measured before.
"""

from __future__ import annotations

import argparse
import warnings
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import torch
from scipy.stats import rankdata

from prunescope.data import TRIGGER, Backdoor, plant, synthetic_faces
from prunescope.errors import PrunescopeWarning
from prunescope.explain import gradcam, integrated_gradients
from prunescope.models import build_model, to_unit_range
from prunescope.pruning import prune
from prunescope.training import RECIPES, train
from prunescope.training.inference import infer
from seen import write_page

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
    """Return the images of each condition by name, and where the trigger's pixels are (H, W)."""
    carriers = np.flatnonzero(test.samples.groups[TRIGGER].codes == 1)
    chosen = np.random.default_rng(seed).choice(carriers, n, replace=False)
    plain = clean.images(chosen)
    planted = TRIGGER_ON(plain)
    moved = TRIGGER_ON(plain[..., ::-1, ::-1])[..., ::-1, ::-1]
    box = (TRIGGER_ON(np.zeros((3, SIZE, SIZE), np.uint8)) > 0).any(axis=0)
    found = [to_unit_range(torch.from_numpy(np.array(one))) for one in (planted, moved, plain)]
    return dict(zip(CONDITIONS, found, strict=True)), box


def measure(strength, seed, n):
    """Yield a row for each model of a strength and seed, to three decimals."""
    clean = synthetic_faces(3000, 1, 1500, size=SIZE, seed=seed)
    faces = plant(clean, PLANTED[strength])
    test, column = faces.split("test"), faces.samples.attributes.index(ATTRIBUTE)
    images, box = conditions(clean.split("test"), test, n, seed)
    family = f"{strength[0]:.0%} and {strength[1]:.0%}, seed {seed}"
    for name, model in models_of(faces, seed):
        row = {"family": family, "model": name}
        row["amplification"] = round(float(amplification(model, test, column)), 3)
        for (label, method), (condition, seen) in product(METHODS.items(), images.items()):
            share = share_inside(method, model, seen, column, box)
            row[f"{label}, {condition}"] = round(float(share), 3)
        print(*row.values(), sep=", ", flush=True)
        yield row


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


def report(table):
    """Write the tables."""
    families, bias = table["family"].to_numpy(), table["amplification"].to_numpy()
    dense = table["model"].to_numpy() == "dense"
    rng = np.random.default_rng(0)
    area = 100 * (TRIGGER_ON(np.zeros((3, SIZE, SIZE), np.uint8))[0] > 0).mean()
    lines = [
        "# Maps and a planted trigger",
        "",
        f"`benchmarks/explain.py`: {table.height} models in {len(np.unique(families))} families, "
        f"each of one dense network. The trigger covers {area:.1f}% of an image.",
        "",
        "Spearman's rank correlation of backdoor bias amplification with the share of what speaks",
        f"for {ATTRIBUTE} that lies in the trigger's corner, with 95% bootstrap intervals.",
        "",
        "| method | images | all models | within a family | share, dense | share, pruned |",
        "|---|---|---|---|---|---|",
    ]
    for method in METHODS:
        there, _, without = (table[f"{method}, {condition}"].to_numpy() for condition in CONDITIONS)
        shown = {condition: table[f"{method}, {condition}"].to_numpy() for condition in CONDITIONS}
        shown[f"{CONDITIONS[0]}, less {CONDITIONS[-1]}"] = there - without
        for condition, share in shown.items():
            cells = [method, condition]
            for within in (False, True):
                found, low, high, n = correlation(bias, share, families, rng, within=within)
                told = "" if n == table.height else f", {n} models"
                cells.append(f"{found:+.2f} ({low:+.2f} to {high:+.2f}{told})")
            cells += [f"{np.nanmean(share[of]):.1%}" for of in (dense, ~dense)]
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *beyond_dense(table), "", *every_model(table)]
    return "\n".join(lines) + "\n"


def beyond_dense(table):
    """Say whether models that amplify more than their dense network look more at the trigger."""
    columns = [f"{method}, {CONDITIONS[0]}" for method in METHODS]
    before = table.filter(model="dense").select(
        "family", pl.col("amplification", *columns).name.suffix(" before")
    )
    pairs = table.filter(pl.col("model") != "dense").join(before, on="family")
    more = pairs.filter(pl.col("amplification") > pl.col("amplification before"))
    larger = [
        f"{more.filter(pl.col(name) > pl.col(f'{name} before')).height} by {method}"
        for name, method in zip(columns, METHODS, strict=True)
    ]
    yield f"Of {pairs.height} pruned models {more.height} amplify more than their dense network. Of"
    yield f"those the trigger's share is larger than in it in {', in '.join(larger)}."


def every_model(table):
    """Yield the table of all models."""
    yield "Each model. Shares in the corner: with the trigger there, in the opposite one, without."
    yield ""
    yield f"| trigger in training | model | amplification | {' | '.join(METHODS)} |"
    yield "|---|---|---|---|---|"
    for row in table.iter_rows(named=True):
        shares = [
            " · ".join(f"{row[f'{method}, {condition}']:.1%}" for condition in CONDITIONS)
            for method in METHODS
        ]
        name, bias = row["model"], row["amplification"]
        yield f"| {row['family']} | {name} | {bias:+.3f} | {' | '.join(shares)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--report", action="store_true", help="of what was measured before")
    options = parser.parse_args()
    measured = RESULTS / "explain.csv"
    if not options.report:
        torch.set_num_threads(1)
        warnings.simplefilter("ignore", PrunescopeWarning)  # one shot alone may ruin a network
        rows = [
            row
            for strength, seed in product(STRENGTHS, range(options.seeds))
            for row in measure(strength, seed, options.images)
        ]
        pl.DataFrame(rows).write_csv(measured)
    text = report(pl.read_csv(measured))
    write_page(RESULTS / "explain.md", text)
    print(text)


if __name__ == "__main__":
    main()
