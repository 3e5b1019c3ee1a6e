"""What stages share: names and folders, one order of attributes, and how a model is kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.data import Dataset
from prunescope.errors import DataError, shorten

if TYPE_CHECKING:
    from torch import Tensor

    from prunescope.models import Checkpoint, Classifier, Provenance
    from prunescope.training import Progress

OnStep = Callable[["Progress"], None]


def state_folder(out: Path) -> Path:
    """Return where the unfinished training of a model is kept, beside its folder."""
    out = out.resolve()
    return out.with_name(f".{out.name}.unfinished")


def model_name(method: str, sparsity: float) -> str:
    """Return the name of a pruned model's folder and of its rows in tables.

    Examples
    --------
    >>> model_name("gmp-pt", 0.995), model_name("ac/dc", 0.9)
    ('gmp-pt-99.5', 'acdc-90')
    """
    return f"{method.replace('/', '')}-{100 * sparsity:.10g}"


def factory_of(provenance: Provenance) -> str | None:
    """Return the factory of a model that this process itself made with it."""
    from prunescope.models import is_factory

    return provenance.model.arch if is_factory(provenance.model.arch) else None


def match_attributes(dataset: Dataset, checkpoint: Checkpoint) -> Dataset:
    """Return a data set with its attributes in the order in which a model answers them.

    Raises
    ------
    DataError
        They are not the same.
    """
    spec, samples = checkpoint.provenance.model, dataset.samples
    if (spec.task, spec.attributes) == (samples.task, samples.attributes):
        return dataset
    if spec.task != samples.task or sorted(spec.attributes) != sorted(samples.attributes):
        raise DataError(
            f"the model answers {shorten(spec.attributes)} ({spec.task}); the data set asks "
            f"{shorten(samples.attributes)} ({samples.task}). Expected the same attributes in any "
            "order: name them with the option for attributes"
        )
    return replace(dataset, samples=samples.ordered(spec.attributes))


def check_alike(dense: Checkpoint, pruned: Checkpoint) -> None:
    """Raise where a dense model's answers are not in the order of the pruned one's."""
    has, other = dense.provenance.model.attributes, pruned.provenance.model.attributes
    if has != other:
        raise DataError(
            f"the dense model answers {shorten(has)}; the pruned one {shorten(other)}. Expected "
            "the same attributes in the same order: give the model that it was pruned from"
        )


def kept(
    out: Path,
    model: Classifier,
    provenance: Provenance,
    masks: Mapping[str, Tensor] | None = None,
) -> Checkpoint:
    """Save a finished model and drop its training state, in the first of several processes."""
    from prunescope.models import load_checkpoint, save_checkpoint
    from prunescope.training import Processes

    processes = Processes.current()
    if processes.first:
        save_checkpoint(out, model, provenance, masks)
        shutil.rmtree(state_folder(out), ignore_errors=True)
    processes.wait()
    return load_checkpoint(out, factory=factory_of(provenance))
