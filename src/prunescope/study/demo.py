"""The whole story on drawn faces: train, prune until things break, and see what accuracy hid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prunescope.data import DataConfig
from prunescope.study.sweep import ShowProgress, Sweep, SweepResult, run_sweep

STORY = (
    "Some people's answers get worse when a model shrinks, and accuracy does not show it.\n"
    "Here are drawn faces. They are made so that some attributes are rarer among men or among the\n"
    "old, by correlations that are written down: a planted bias. A small network learns them, is\n"
    "pruned further and further, and is asked about faces that it never saw."
)


def run_demo(
    folder: Path, *, seed: int, tell: Callable[[str], None], show: ShowProgress
) -> SweepResult:
    """Run the demo and leave models, predictions, audit and report in `folder`.

    Parameters
    ----------
    folder : path
    seed : int
        Of faces and of training.
    tell, show : callable
        As for `run_sweep`.
    """
    from prunescope.training import RECIPES

    sweep = Sweep(
        data=DataConfig(source="synthetic", n_train=4000, n_val=500, n_test=2000, seed=seed),
        arch="resnet_small",
        dense=RECIPES["demo"].replace(seed=seed),
        pruned=RECIPES["demo-pt"].replace(seed=seed),
        methods=["gmp-pt"],
        sparsities=[0.8, 0.9, 0.95, 0.99],
        n_dense=2,
    )
    tell(STORY)
    return run_sweep(
        sweep, folder, tell=tell, show=show, title="What pruning did to a face classifier"
    )
