r"""Set every measure beside doing nothing, on real faces: fitted on val, judged on test.

    python examples/mitigate/compare.py out/forecast/celeba64 out/mitigate/celeba64 \
        docs/results/mitigate

Reads the predictions that examples/forecast/models.py wrote (the dense model, and gmp-pt at 95 and
99%) and those of trained measures that examples/mitigate/finetune.py wrote, and writes tables, no
image: effects.csv (every figure of every measure, with intervals), seeds.csv (measures without
training, for three pruned seeds), certificates.csv and README.md. About two minutes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from prunescope.audit import Audit, audit
from prunescope.cli.console import say
from prunescope.files import replacing
from prunescope.mitigate import (
    Candidate,
    Comparison,
    Scene,
    Search,
    compare,
    highest_sparsity,
    judge,
    route,
)
from prunescope.predictions import Predictions
from prunescope.verdict import WORDS, Policy

SPARSITIES = (95, 99)
SEEDS = (0, 1, 2)
GROUP = "Male"
DENSE = "dense-seed0"
TRAINED = {
    "finetune-none": ("gmp-pt-{}-seed0+none", "trained on without a measure: the control"),
    "finetune-distill": ("gmp-pt-{}-seed0+distill", "trained on, from dense answers too"),
    "finetune-constrain": ("gmp-pt-{}-seed0+constrain", f"trained on, losses by {GROUP} bounded"),
    "finetune-balance-groups": (
        "gmp-pt-{}-seed0+balance-groups", f"trained on, values of {GROUP} weighing alike",
    ),
    "finetune-balance-labels": (
        "gmp-pt-{}-seed0+balance-labels", "trained on, yes and no weighing alike",
    ),
    "fairgrape": ("fairgrape-{}-seed0", f"pruned anew, importance shared out by {GROUP}"),
}  # fmt: skip
"""Measures that train: their files, and what they are."""

BUDGET = ("accuracy >= -0.01", "rare_value_ratio >= -0.1", f"bias_amplification[{GROUP}] <= +0.04")
CANDIDATES = (0.8, 0.9, 0.95, 0.98, 0.99)
"""What a search keeps to, and the sparsities that it may choose from."""

SHOWN = (
    ("accuracy", None),
    ("balanced_accuracy", None),
    ("auc", None),
    ("rare_value_ratio", None),
    ("bias_amplification", GROUP),
    ("equal_opportunity_difference", GROUP),
    ("flip_rate", None),
)
"""Metrics of the table, and the group that they are about."""

HEADS = ("accuracy", "balanced accuracy", "AUC", "rare-value ratio", f"BA by {GROUP}",
         f"TPR gap by {GROUP}", "flips")  # fmt: skip
ALPHAS = {95: (0.02, 0.03, 0.04), 99: (0.04, 0.06, 0.08)}


def main(
    models: Annotated[Path, typer.Argument(help="What examples/forecast/models.py wrote.")],
    trained: Annotated[Path, typer.Argument(help="What examples/mitigate/finetune.py wrote.")],
    out: Annotated[Path, typer.Argument(help="Where tables go.")],
    replicates: int = 1000,
) -> None:
    """Compare, certify, write."""
    out.mkdir(parents=True, exist_ok=True)
    effects, seeds, certificates, tables = [], [], [], []
    search, chosen = _searched(models, replicates)
    for sparsity in SPARSITIES:
        for seed in SEEDS:
            scene = _scene(models, sparsity, seed)
            others = [chosen, *_trained(trained, sparsity)] if seed == 0 else []
            say(f"{sparsity}%, seed {seed}")
            found = compare(scene, others=others, replicates=replicates, identity=[GROUP])
            told = pl.lit(sparsity).alias("sparsity"), pl.lit(seed).alias("seed")
            seeds.append(found.table.select(*told, pl.all()))
            if seed == 0:
                effects.append(found.table.select(pl.lit(sparsity).alias("sparsity"), pl.all()))
                tables.append(_table(found, f"{sparsity}% of the weights removed"))
                tables.append(_against_control(scene, others, sparsity, replicates))
                certificates += _certified(scene, sparsity)
    _write(pl.concat(effects), out / "effects.csv")
    spread = _spread(pl.concat(seeds))
    _write(spread, out / "seeds.csv")
    proved = pl.DataFrame(certificates)
    _write(proved, out / "certificates.csv")
    text = "\n\n".join(
        [
            _head(_scene(models, 95, 0)),
            *tables,
            _seed_table(spread),
            _proof(proved),
            _search_text(search),
        ]
    )
    with replacing(out / "README.md") as beside:
        beside.write_text(text + "\n", encoding="utf-8")


def _load(folder: Path, name: str) -> Predictions:
    return Predictions.load(folder / f"{name}.parquet")


def _scene(models: Path, sparsity: int, seed: int) -> Scene:
    name = f"gmp-pt-{sparsity}-seed{seed}"
    return Scene(
        _load(models / "val", DENSE), _load(models / "val", name),
        _load(models / "test", DENSE), _load(models / "test", name), group=GROUP,
    )  # fmt: skip


def _trained(folder: Path, sparsity: int) -> list[Candidate]:
    """Return the measures that train."""
    found = []
    for name, (stem, what) in TRAINED.items():
        model = Predictions.load(folder / "test" / f"{stem.format(sparsity)}.parquet")
        found.append(Candidate(name, model, "nothing but the logits", what))
    return found


def _searched(models: Path, replicates: int) -> tuple[Search, Candidate]:
    """Search among the sparsities that there are models of; return the choice, too."""

    def evaluate(method: str, sparsity: float, split: str) -> Audit:
        pair = (DENSE, f"{method}-{100 * sparsity:g}-seed0")
        dense, pruned = (_load(models / split, name) for name in pair)
        return audit(dense, pruned, identity=[GROUP], replicates=replicates)

    found = highest_sparsity(Policy.of(BUDGET), evaluate, ["gmp-pt"], CANDIDATES)
    assert found.info.choice is not None
    chosen = f"{100 * found.info.choice.sparsity:g}"
    model = _load(models / "test", f"gmp-pt-{chosen}-seed0")
    cost = f"only {chosen}% of the weights removed"
    return found, Candidate("search", model, "nothing but the logits", cost)


def _certified(scene: Scene, sparsity: int) -> list[dict[str, object]]:
    """Certify disagreement on val, and look at what it is on test."""
    rows = []
    for alpha in ALPHAS[sparsity]:
        found = route(
            scene.pruned_validation, scene.dense_validation, certify_loss="disagreement",
            alpha=alpha, certify_groups=[GROUP],
        )  # fmt: skip
        for one in found.info.certificates:
            row = {"sparsity": sparsity, **vars(one), "on_test": None, "worst_on_test": None}
            if one.cut is not None:
                at_cut = replace(found, info=found.info.model_copy(update={"cut": one.cut}))
                both = at_cut.apply(scene.pruned_test, scene.dense_test)
                differ = (both.decisions != scene.dense_test.decisions).mean(axis=1)
                codes = scene.dense_test.samples.groups[GROUP].codes
                of_groups = [float(differ[codes == code].mean()) for code in (0, 1)]
                row |= {"on_test": float(differ.mean()), "worst_on_test": max(of_groups)}
            rows.append(row)
    return rows


def _write(frame: pl.DataFrame, path: Path) -> None:
    with replacing(path) as beside:
        frame.write_csv(beside, float_precision=6)


def _spread(rows: pl.DataFrame) -> pl.DataFrame:
    """Return mean, least and largest change over three pruned seeds."""
    others = pl.col("measure").is_in([*TRAINED, "search"])
    return (
        rows.filter(~others, pl.col("measure") != "nothing")
        .group_by("sparsity", "measure", "metric", "group", maintain_order=True)
        .agg(
            pl.col("change").mean(),
            least=pl.col("change").min(),
            most=pl.col("change").max(),
            flips=pl.col("value").mean(),
            n_better=(pl.col("verdict") == "better").sum(),
            n_worse=(pl.col("verdict") == "worse").sum(),
        )
    )


def _head(scene: Scene) -> str:
    n_fit, n_judge = (len(m.samples) for m in (scene.pruned_validation, scene.pruned_test))
    return (
        "# Measures against what pruning broke, on real faces\n\n"
        "celeba64: `resnet_small`, pruned from `dense-seed0` by gmp-pt; measures fitted on the "
        f"validation split ({n_fit:,} faces), judged on the test split ({n_judge:,} faces of other "
        "people). Means over 40 attributes; 95% intervals of the change from doing nothing (paired "
        "resamples, by identity). **+** better, **−** worse beyond chance (Benjamini–Hochberg). "
        "Flips are from the dense model. Fine-tuning: two epochs; what a trained measure is worth "
        "is its difference from the control, finetune-none."
    )


def _figure(row: dict[str, object]) -> str:
    value, change = row["value"], row["change"]
    if value is None:
        return "–"
    mark = {"better": " **+**", "worse": " **−**"}.get(str(row["verdict"]), "")
    if change is None:
        return f"{value:.3f}"
    return f"{value:.3f}{mark} [{row['change_low']:+.3f}, {row['change_high']:+.3f}]"


def _against_control(scene: Scene, others: list[Candidate], sparsity: int, replicates: int) -> str:
    """Lay out what trained measures add to training as long without one."""
    [control, *trained] = [one for one in others if one.name.startswith("finetune")]
    found = judge(
        scene.dense_test, control.test, trained, replicates=replicates, identity=[GROUP]
    )  # fmt: skip
    title = f"{sparsity}%: trained measures against the control that was trained as long"
    return _table(found, title).replace("| nothing |", f"| {control.name} |")


def _table(found: Comparison, title: str) -> str:
    """Lay out a comparison: a line per measure."""
    rows = {(r["measure"], r["metric"], r["group"]): r for r in found.table.to_dicts()}
    lines = [
        f"## {title}", "",
        "| measure | " + " | ".join(HEADS) + " | needs | costs |",
        "|---" * (len(HEADS) + 3) + "|",
    ]  # fmt: skip
    dense = [rows["nothing", *column]["dense"] for column in SHOWN]
    lines.append(
        "| dense | " + " | ".join("–" if x is None else f"{x:.3f}" for x in dense) + " | | |"
    )
    told = {one.name: one for one in found.info.measures}
    for name in found.table["measure"].unique(maintain_order=True):
        cells = [_figure(rows[name, *column]) for column in SHOWN]
        more = f"{told[name].needs} | {told[name].cost}" if name in told else " | "
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {more} |")
    return "\n".join(lines)


def _seed_table(spread: pl.DataFrame) -> str:
    """Lay out how measures without training fare on three pruned seeds."""
    lines = [
        "## Three pruned seeds", "",
        "Change from doing nothing: mean over seeds 0, 1 and 2 (least to most). One seed is not "
        "enough to believe a change of bias amplification.", "",
        "| sparsity | measure | accuracy | rare-value ratio | " + f"BA by {GROUP} |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    wanted = [("accuracy", None), ("rare_value_ratio", None), ("bias_amplification", GROUP)]
    rows = {(r["sparsity"], r["measure"], r["metric"], r["group"]): r for r in spread.to_dicts()}
    for sparsity, measure in dict.fromkeys(key[:2] for key in rows):
        cells = [rows[sparsity, measure, *column] for column in wanted]
        told = [f"{c['change']:+.3f} ({c['least']:+.3f} to {c['most']:+.3f})" for c in cells]
        lines.append(f"| {sparsity}% | {measure} | " + " | ".join(told) + " |")
    return "\n".join(lines)


def _proof(proved: pl.DataFrame) -> str:
    """Lay out the certificates beside what is seen on test."""
    lines = [
        "## Certified routing to the dense model", "",
        "P(disagreement ≤ α) ≥ 90%, proved on the validation split, people being the independent "
        "units; beside it what is seen on the test split.", "",
        "| sparsity | α | of | sent | people | on test | worst group on test |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in proved.to_dicts():
        if row["cut"] is None:
            told = f"cannot: {row['reason']} | {row['n']} | | "
        else:
            told = (
                f"{row['routed']:.1%} | {row['n']} | {row['on_test']:.2%} | "
                f"{row['worst_on_test']:.2%}"
            )
        lines.append(f"| {row['sparsity']}% | {row['alpha']:.0%} | {row['who']} | {told} |")
    return "\n".join(lines)


def _search_text(found: Search) -> str:
    """Tell what was searched for, trial by trial."""
    budget = ", ".join(f"`{one}`" for one in BUDGET)
    lines = [
        "## Search",
        "",
        f"Budget: {budget}. {found.info.reason}.",
        "",
        "| split | sparsity | answer | bound | state | what decides it |",
        "|---|---|---|---|---|---|",
    ]
    for row in found.trials.to_dicts():
        lines.append(
            f"| {row['split']} | {100 * row['sparsity']:g}% | {WORDS[row['answer']].lower()} | "
            f"{row['criterion']} | {row['state']} | {row['text']} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
