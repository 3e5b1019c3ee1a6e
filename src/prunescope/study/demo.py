"""The whole story on drawn faces: train, foretell, prune until things break, see what hid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from prunescope.data import DataConfig, Dataset
from prunescope.files import replacing
from prunescope.forecast import Score, forecast, score
from prunescope.mitigate import Comparison, Scene, compare
from prunescope.predictions import Predictions
from prunescope.report import (
    build,
    write_comparison,
    write_forecast,
    write_report,
    write_score,
    write_slices,
)
from prunescope.slices import Slices, find_slices
from prunescope.study.stages import predict_split
from prunescope.study.sweep import ShowProgress, Sweep, SweepResult, run_sweep

STORY = (
    "Some people's answers get worse when a model shrinks, and accuracy does not show it.\n"
    "Here are drawn faces. They are made so that some attributes are rarer among men or among the\n"
    "old, by correlations that are written down: a planted bias. A small network learns them, is\n"
    "pruned further and further, and is asked about faces that it never saw."
)

FORETOLD = 0.95
"""The sparsity that is forecast from the dense model alone."""


THREADS = 2
"""Of training: another number rounds differently, and the story would be another."""

SLICED = ("gmp-pt-95", "gmp-pt-99")
"""The models whose damage is looked for without groups."""


@dataclass(frozen=True)
class DemoResult:
    """What the demo leaves: sweep, slices, how the forecast fared, what helps, and their pages."""

    sweep: SweepResult
    slices: Slices
    score: Score
    comparison: Comparison
    pages: tuple[Path, ...]


def run_demo(
    folder: Path, *, seed: int, tell: Callable[[str], None], show: ShowProgress
) -> DemoResult:
    """Run the demo and leave models, predictions, audit, forecast, measures, reports in `folder`.

    Parameters
    ----------
    folder : path
    seed : int
        Of faces and of training.
    tell, show : callable
        As for `run_sweep`.
    """
    from prunescope.training import RECIPES, threads

    sweep = Sweep(
        data=DataConfig(source="synthetic", n_train=4000, n_val=500, n_test=2000, seed=seed),
        arch="resnet_small",
        dense=RECIPES["demo"].replace(seed=seed),
        pruned=RECIPES["demo-pt"].replace(seed=seed),
        methods=["gmp-pt"],
        sparsities=[0.8, 0.9, FORETOLD, 0.99],
        n_dense=2,
    )
    tell(STORY)
    with replacing(folder / "data.yaml") as beside:
        options = sweep.data.model_dump(mode="json", exclude_unset=True)
        beside.write_text(yaml.safe_dump(options, sort_keys=False), encoding="utf-8")
    with threads(THREADS):
        done = run_sweep(
            sweep, folder, tell=tell, show=show, title="What pruning did to a face classifier"
        )
    dense, again, pruned = (
        Predictions.load(folder / f"{name}.parquet") for name in ("dense", "dense-2", "gmp-pt-95")
    )
    with show("slices"):
        slices = _slices(folder, done, dense, SLICED)
    with show("forecast"):
        told = forecast(dense, sparsity=FORETOLD)
        told.save(folder / "forecast")
        fared = score(told, pruned, dense_seeds=[again])
        fared.save(folder / "forecast" / "score")
    with show("measures"):
        scene = _scene(folder, done.dataset, dense, pruned)
        helped = compare(scene)
        helped.save(folder / "measures")
    pages = (
        write_slices(slices, folder / "slices", dataset=done.dataset),
        write_forecast(told, folder / "forecast", dataset=done.dataset),
        write_score(fared, folder / "forecast" / "score"),
        write_comparison(helped, folder / "measures"),
    )
    return DemoResult(done, slices, fared, helped, pages)


def _slices(folder: Path, done: SweepResult, dense: Predictions, sliced: Sequence[str]) -> Slices:
    """Find whom pruning hurts without the groups that were planted, and tell it in the report."""
    from prunescope.models import load_checkpoint
    from prunescope.predictions import embed

    seen = embed(load_checkpoint(folder / "models" / dense.name).model, done.dataset.split("test"))
    models = [dense, *(Predictions.load(folder / f"{name}.parquet") for name in sliced)]
    bare = [replace(model, samples=replace(model.samples, groups={})) for model in models]
    found = find_slices(bare[0], bare[1:], seen)
    seen.save(folder / "embeddings.parquet")  # the map of 'prunescope view' finds it there
    found.save(folder / "slices")
    page = build(done.audit, title=done.report.title, dataset=done.dataset, slices=found)
    write_report(page, folder)
    return found


def _scene(folder: Path, dataset: Dataset, dense: Predictions, pruned: Predictions) -> Scene:
    """Ask both models about the validation split, which measures are fitted to."""
    from prunescope.models import load_checkpoint

    (folder / "val").mkdir(exist_ok=True)
    dense_validation, pruned_validation = (
        predict_split(
            load_checkpoint(folder / "models" / model.name), dataset, "val",
            folder / "val" / f"{model.name}.parquet", name=model.name,
        )
        for model in (dense, pruned)
    )  # fmt: skip
    return Scene(dense_validation, pruned_validation, dense, pruned, group="Male")
