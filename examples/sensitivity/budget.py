"""Plans for least harm beside the simple ways, at equal bytes: the worst group, rare answers.

    python examples/sensitivity/budget.py [TABLE]

TABLE is a data set of faces (celeba64.parquet); without one, the synthetic faces. For each of three
seeds a dense network is trained; layers' sensitivity is measured on the split 'val', plans are made
there, and every compressed network is judged on 'test', which chose nothing:

- sparsities: the plan for least harm, that for least error, and global magnitude, at equal bytes;
- bits: the plan for least harm, that for least error, and the same bits everywhere.

Writes a table with intervals, of single seeds and as the difference from the baseline.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import torch

import prunescope as ps
from prunescope.predictions import Compression, Metadata, Predictions
from prunescope.pruning import prunable_weights
from prunescope.sensitivity import harm_of, layer_sensitivity, plan_layers
from prunescope.training import RECIPES, infer

SEEDS = (0, 1, 2)
SPARSITIES, BYTES = (0.5, 0.7, 0.9), (0.35, 0.25)
BITS, BIT_BYTES = (8, 4, 3, 2), (4, 3)
OUT = Path(__file__).parents[2] / "docs" / "results" / "sensitivity"


def load(table: Path | None) -> tuple[str, ps.Dataset, int]:
    """Return the faces, and how they are named."""
    if table is None:
        return "synthetic", ps.synthetic_faces(1000, 500, 1000, size=64, seed=0), 8
    config = ps.DataConfig(
        source=str(table), groups=("Male", "Young"), cluster="identity",
        attributes=("Bald", "Big_Nose", "Chubby", "Eyeglasses", "Gray_Hair", "Male", "Pale_Skin",
                    "Smiling", "Wearing_Hat", "Wearing_Lipstick", "Wearing_Necktie", "Young"),
    )  # fmt: skip
    return "celeba64", ps.load_dataset(config), 4


def bytes_of(masks: ps.Masks, n: int) -> float:
    """Return the bytes of pruned layers as the tables count them: numbers, and which they are."""
    return (sum(4 * int(m.sum()) + (0 if m.all() else m.numel() / 8) for m in masks.values())) / (
        4 * n
    )


def global_sparsity(share: float) -> float:
    """Return the sparsity whose numbers, and which they are, take a share of the dense bytes."""
    return round(1 - (share - 1 / 32), 6)


def main(table: Path | None = None) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    name, data, epochs = load(table)
    train, test = data.split("train"), data.split("test")
    rates = train.samples.rates()
    told = {
        "train_prevalence": dict(rates.prevalence),
        "train_group_rates": {g: dict(v) for g, v in rates.group_rates.items()},
    }
    rows = []
    for seed in SEEDS:
        model = ps.build_model("resnet_small", data.samples.attributes, image_size=64, seed=seed)
        ps.train(model, train, RECIPES["small"].replace(epochs=epochs, seed=seed))
        model.eval()
        n = sum(w.numel() for w in prunable_weights(model).values())
        base = Predictions(
            test.samples, infer(model, test), Metadata(name="dense", seed=seed, **told)
        )
        trials = {}
        for kind, levels in (("sparsity", SPARSITIES), ("bits", BITS)):
            found = layer_sensitivity(model, data, kind=kind, levels=levels, replicates=0)
            for given in BYTES if kind == "sparsity" else BIT_BYTES:
                if kind == "sparsity":
                    share, even = given, {"method": "one-shot", "sparsity": global_sparsity(given)}
                    trials[kind, given, "global magnitude"] = even, None
                else:
                    even = {"method": "one-shot", "sparsity": 0.0, "bits": {"*": given}}
                    trials[kind, given, "same bits everywhere"] = even, None
                    at = found.layers.filter(level=given)
                    share = at["bytes"].sum() / at["bytes_dense"].sum()
                for least in ("harm", "error"):
                    plan = plan_layers(found, f"bytes <= {share:.9g}", least=least)
                    expected = plan.expected if least == "harm" else None
                    trials[kind, given, f"least {least}"] = plan.choices, expected
        answers = []
        for (kind, given, how), (choices, _) in trials.items():
            made = ps.prune(model, train, **choices)
            told_of = Compression(method=how, sparsity=choices["sparsity"])
            answers.append(
                Predictions(
                    test.samples, infer(made.model, test),
                    Metadata(
                        name=f"{kind} {given:g} {how}", seed=seed, compression=told_of, **told
                    ),
                )
            )  # fmt: skip
            if kind == "sparsity":
                spent = bytes_of(made.masks, n)
                print(seed, how, given, f"{spent:.4f} of the bytes", flush=True)
        result = ps.audit(base, answers, replicates=200)
        for model_answers, ((kind, given, how), (_, expected)) in zip(
            answers, trials.items(), strict=True
        ):
            table_of = result.table.filter(model=model_answers.name)
            harm = harm_of(table_of)
            flips = table_of.filter(
                pl.col("attribute").is_null(), metric="harmful_flip_rate",
                group=harm.group, group_value=harm.value,
            ).row(0, named=True)  # fmt: skip
            ratio = table_of.filter(
                pl.col("attribute").is_null(), pl.col("group").is_null(), metric="rare_value_ratio"
            ).row(0, named=True)
            accuracy = table_of.filter(
                pl.col("attribute").is_null(), pl.col("group").is_null(), metric="accuracy"
            ).row(0, named=True)
            rows.append({
                "seed": seed, "kind": kind, "budget": given, "how": how,
                "worst": f"{harm.group}={harm.value}",
                "worst_flips": flips["value"], "worst_low": flips["low"],
                "worst_high": flips["high"],
                "rare_ratio": ratio["value"], "rare_dense": ratio["baseline"],
                "rare_change": ratio["delta"], "rare_low": ratio["delta_low"],
                "rare_high": ratio["delta_high"], "rare_lost": harm.rare, "harm": harm.total,
                "expected": expected, "accuracy": accuracy["value"],
                "accuracy_dense": accuracy["baseline"],
            })  # fmt: skip
            print(rows[-1], flush=True)
        frame = pl.DataFrame(rows, infer_schema_length=None)
        OUT.mkdir(parents=True, exist_ok=True)
        frame.write_csv(OUT / f"{name}.csv", float_precision=6)
        if seed > SEEDS[0]:
            (OUT / f"{name}.md").write_text(page(name, frame))


def interval(given: np.ndarray) -> tuple[float, float, float]:
    """Return the mean over seeds and its 95% interval, by Student's t."""
    from scipy.stats import t

    values = np.asarray(given)
    reach = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return values.mean(), values.mean() - reach, values.mean() + reach


def page(name: str, frame: pl.DataFrame) -> str:
    """Return the comparison at equal bytes as Markdown."""
    lines = [
        f"# Plans at equal bytes: {name}", "",
        f"Made by `examples/sensitivity/budget.py`; {frame['seed'].n_unique()} seeds, chosen on "
        "val, judged on test. "
        "Differences from the baseline are paired by seed, with 95% intervals over seeds; in "
        "points. Less is better for flips and rare answers lost.", "",
        "| levels | budget | how | harmful flips, worst group | beside the baseline | "
        "rare answers lost | beside the baseline |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for (kind, budget), part in frame.group_by("kind", "budget", maintain_order=True):
        base = next(how for how in part["how"] if not how.startswith("least"))
        before = part.filter(how=base).sort("seed")
        for how in part["how"].unique(maintain_order=True):
            own = part.filter(how=how).sort("seed")
            cells = []
            for column in ("worst_flips", "rare_lost"):
                cells.append(f"{100 * own[column].mean():.2f}")
                low = interval(100 * (own[column] - before[column]).to_numpy())
                cells.append("–" if how == base else "{:+.2f} ({:+.2f} to {:+.2f})".format(*low))
            lines.append(f"| {kind} | {budget:g} | {how} | {' | '.join(cells)} |")
    harms = frame.filter(pl.col("expected").is_not_null())
    ratio = (harms["harm"] / harms["expected"].clip(1e-6, None)).median()
    rank = harms.select(pl.corr("harm", "expected", method="spearman")).item()
    lines += [
        "", f"Harm added up over layers (val) against that of the whole network (test), "
        f"{harms.height} plans: rank correlation {rank:.2f}; the whole network's is "
        f"{ratio:.3g} times the sum in the median.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
