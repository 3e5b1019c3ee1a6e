"""A sweep: one dense model, pruned to several sparsities, audited together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.audit import Audit, audit
from prunescope.data import DataConfig, Dataset, load_dataset
from prunescope.errors import CheckpointError
from prunescope.files import leftovers, remove_leftovers
from prunescope.predictions import Predictions
from prunescope.report import Report, build, write_report
from prunescope.study.stages import (
    OnStep,
    model_name,
    predict_split,
    prune_model,
    train_model,
)

if TYPE_CHECKING:
    from prunescope.models import Checkpoint
    from prunescope.training import Progress, Recipe

ShowProgress = Callable[[str], AbstractContextManager[Callable[..., None]]]
"""Given a label, returns a context whose value takes the steps done, of all, and a note."""


@contextmanager
def silent(_label: str) -> Iterator[Callable[..., None]]:
    """Show no progress."""
    yield lambda *_: None


@dataclass(frozen=True)
class Sweep:
    """What to train and how far to prune it.

    Parameters
    ----------
    data : DataConfig
    arch : str
    dense : Recipe
        Of the dense model.
    pruned : Recipe
        Of every pruned one.
    methods : sequence of str
        Keys of `prunescope.pruning.METHODS`.
    sparsities : sequence of float
    n_dense : int
        Dense models to train, with seeds from that of the recipe on. The first is pruned; a second
        one tells the churn: how many answers differ by seed alone.
    split : str
        The split to audit on.
    """

    data: DataConfig
    arch: str
    dense: Recipe
    pruned: Recipe
    methods: Sequence[str]
    sparsities: Sequence[float]
    n_dense: int = 1
    split: str = "test"

    def runs(self) -> Iterator[tuple[str, str, float]]:
        """Yield name, method and sparsity of each pruned model.

        Examples
        --------
        >>> sweep = Sweep(None, "resnet_small", None, None, ["gmp-pt", "ac/dc"], [0.995])
        >>> list(sweep.runs())
        [('gmp-pt-99.5', 'gmp-pt', 0.995), ('acdc-99.5', 'ac/dc', 0.995)]
        """
        for method in self.methods:
            for sparsity in self.sparsities:
                yield model_name(method, sparsity), method, sparsity


@dataclass(frozen=True)
class SweepResult:
    """What a sweep leaves: its data, the audit, the report, and the report's page on disk."""

    dataset: Dataset
    audit: Audit
    report: Report
    page: Path


def run_sweep(
    sweep: Sweep,
    folder: Path,
    *,
    tell: Callable[[str], None],
    show: ShowProgress,
    title: str | None = None,
) -> SweepResult:
    """Train, prune, predict, audit and report; leave everything in `folder`.

    A model that is there already, made of the same data by the same recipe, is not made again; a
    training that was stopped is taken up.

    Parameters
    ----------
    sweep : Sweep
    folder : path
    tell : callable
        Takes a line of the story.
    show : callable
        Shows progress.
    """
    from prunescope.models import weights_digest
    from prunescope.pruning import METHODS

    with show("images") as update:
        dataset = load_dataset(sweep.data, update)
    train = dataset.split("train")
    tell(
        f"{len(train):,} images to train on, {len(dataset.split(sweep.split)):,} to audit on; "
        f"{len(dataset.samples.attributes)} attributes"
    )
    models = folder / "models"
    dense = []
    for number in range(sweep.n_dense):
        name = f"dense-{number + 1}" if number else "dense"
        recipe = sweep.dense.replace(seed=sweep.dense.seed + number)
        model = _finished(models / name, train, sweep.arch, recipe, "dense", 0.0, None)
        if model is None:
            with show(f"train {name}") as update:
                model = train_model(
                    train, sweep.arch, recipe, models / name, data=sweep.data,
                    on_step=note_steps(update),
                )  # fmt: skip
        dense.append((model, _ask(model, dataset, sweep.split, folder, name, tell)))
    answers = []
    parent = weights_digest(dense[0][0].model)
    for name, method, sparsity in sweep.runs():
        of = parent if METHODS[method].starts_from == "dense" else None
        made = _finished(models / name, train, sweep.arch, sweep.pruned, method, sparsity, of)
        if made is None:
            with show(f"prune to {sparsity:.1%} by {method}") as update:
                made = prune_model(
                    dense[0][0], train, method, sparsity, models / name, recipe=sweep.pruned,
                    data=sweep.data, on_step=note_steps(update),
                )  # fmt: skip
        answers.append(_ask(made, dataset, sweep.split, folder, name, tell))
    with show("audit") as update:
        found = audit([answer for _, answer in dense], answers, progress=update)
    found.save(folder)
    report = build(found, title=title, dataset=dataset)
    [page] = write_report(report, folder)
    return SweepResult(dataset, found, report, page)


def _finished(
    folder: Path,
    train: Dataset,
    arch: str,
    recipe: Recipe,
    method: str,
    sparsity: float,
    parent: str | None,
) -> Checkpoint | None:
    """Return the model in a folder if it is the one asked for."""
    from prunescope.models import is_factory, load_checkpoint
    from prunescope.training import Recipe

    if not folder.exists():
        return None
    try:
        found = load_checkpoint(folder, factory=arch if is_factory(arch) else None)
    except CheckpointError:
        return None
    made = found.provenance
    same = (
        made.dataset is not None
        and made.dataset.fingerprint == train.fingerprint
        and made.model.arch == arch
        and made.recipe is not None
        and Recipe.model_validate(made.recipe) == recipe
        and made.compression["method"] == method
        and made.compression["sparsity"] == sparsity
        and made.parent == parent
    )
    return found if same else None


def _ask(
    model: Checkpoint,
    dataset: Dataset,
    split: str,
    folder: Path,
    name: str,
    tell: Callable[[str], None],
) -> Predictions:
    """Predict a split, and tell the accuracy."""
    file = folder / f"{name}.parquet"
    remove_leftovers(leftovers(folder, file.name))
    found = predict_split(model, dataset, split, file, name=name)
    known = found.samples.labels >= 0
    right = (found.decisions == (found.samples.labels == 1))[known].mean()
    tell(f"{name}: {right:.1%} of all answers right")
    return found


def note_steps(update: Callable[..., None]) -> OnStep:
    """Turn the training loop's progress into steps done, of all, and a note."""

    def show(at: Progress) -> None:
        speed = f"{at.images_per_second:,.0f} images/s"
        update(at.step, at.total_steps, f"loss {at.loss:.3f}, {speed}")

    return show
