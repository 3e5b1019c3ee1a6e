"""Stages that ask a model: its answers about one split of a data set, as a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.data import Dataset
from prunescope.errors import settings_of
from prunescope.predictions import (
    Adjustments,
    Compression,
    DatasetInfo,
    Embeddings,
    Metadata,
    Predictions,
    adjust,
    check_parquet,
    check_suffix,
    predict,
    settle,
    with_layers,
)
from prunescope.predictions.scores import Scores
from prunescope.study.stages.keep import match_attributes

if TYPE_CHECKING:
    from torch import nn

    from prunescope.models import Checkpoint
    from prunescope.runtimes import FileModel, Function


def predict_split(
    checkpoint: Checkpoint,
    dataset: Dataset,
    split: str,
    out: Path,
    *,
    name: str | None = None,
    adjustments: Adjustments | None = None,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    embeddings: Path | None = None,
) -> Predictions:
    """Ask a model about one split and write the answers.

    Parameters
    ----------
    checkpoint : Checkpoint
    dataset : Dataset
        All splits, with the model's attributes in any order.
    split : str
    out : path
        Parquet file.
    name : str, optional
        The model's name in tables; default: the file's stem.
    adjustments : Adjustments, optional
        What is done to its logits: those written are mapped, less the threshold, so that 0 decides.
    embeddings : path, optional
        Parquet file for what the last layer sees, which is written in the same pass.
    """
    check_suffix(out)
    part = match_attributes(dataset.split(split), checkpoint)
    metadata = metadata_of(checkpoint, part, split, name or out.stem)
    return _answered(
        lambda: predict(checkpoint.model, part, metadata, device=device, progress=progress),
        metadata, part, out, adjustments, checkpoint.model, embeddings,
    )  # fmt: skip


def predict_elsewhere(
    model: FileModel | Function | nn.Module,
    dataset: Dataset,
    split: str,
    out: Path,
    *,
    name: str | None = None,
    about: Mapping[str, Any] | None = None,
    scores: Scores = "logits",
    adjustments: Adjustments | None = None,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    embeddings: Path | None = None,
) -> Predictions:
    """Ask a model that prunescope did not make about one split and write the answers.

    Parameters
    ----------
    model : FileModel, Function or torch.nn.Module
    dataset : Dataset
        All splits. The rates of the training split are kept with the answers, where there is one.
    split : str
    out : path
        Parquet file.
    name : str, optional
        The model's name in tables; default: the file's stem.
    about : mapping, optional
        What is told of the model.
    scores : {"logits", "probability"}
        What the model gives.
    adjustments : Adjustments, optional
        As for `predict_split`.
    embeddings : path, optional
        As for `predict_split`; for a module alone.
    """
    check_suffix(out)
    part = dataset.split(split)
    trained: dict[str, Any] = {}
    if "train" in dataset.splits:
        rates = dataset.split("train").samples.rates()
        trained = {"train_prevalence": rates.prevalence, "train_group_rates": rates.group_rates}
    with settings_of("the note of how the model was compressed"):
        compression = Compression(**getattr(model, "compression", {}))
    metadata = Metadata(
        name=name or out.stem,
        task=part.samples.task,
        split=split,
        model=dict(about or {}),
        compression=compression,
        dataset=_about_data(part),
        **trained,
    )
    return _answered(
        lambda: predict(model, part, metadata, scores=scores, device=device, progress=progress),
        metadata, part, out, adjustments, model, embeddings,
    )  # fmt: skip


def _answered(
    ask: Callable[[], Predictions],
    metadata: Metadata,
    part: Dataset,
    out: Path,
    adjustments: Adjustments | None,
    model: FileModel | Function | nn.Module,
    embeddings: Path | None,
) -> Predictions:
    """Ask, do to the logits what the adjustments say, and write them; and embeddings if wanted."""
    if adjustments is not None:
        adjustments.check([str(metadata.name)], part.samples.attributes)
    found = ask() if embeddings is None else _asked_and_seen(ask, model, embeddings)
    mine = None if adjustments is None else adjustments.of(found.name)
    if mine is not None:
        found = settle(adjust(found, mine))
    found.save(out)
    return found


def _asked_and_seen(
    ask: Callable[[], Predictions], model: FileModel | Function | nn.Module, out: Path
) -> Predictions:
    """Ask, and write what the last layer saw."""
    from prunescope.models import penultimate  # torch is imported when it is needed

    check_parquet(out)
    module = with_layers(model)
    with penultimate(module) as seen:
        found = ask()
    Embeddings.of(seen.values(), found.samples.ids).save(out)
    return found


def metadata_of(checkpoint: Checkpoint, dataset: Dataset, split: str, name: str) -> Metadata:
    """Say in a prediction file where its model comes from."""
    from prunescope.models import weights_digest

    provenance = checkpoint.provenance
    return Metadata(
        name=name,
        task=dataset.samples.task,
        split=split,
        model={"arch": provenance.model.arch, "image_size": provenance.model.image_size},
        compression=Compression(**provenance.compression),
        seed=provenance.seed,
        dataset=_about_data(dataset),
        train_prevalence=provenance.train_prevalence,
        train_group_rates=provenance.train_group_rates,
        weights=weights_digest(checkpoint.model),
        parent=provenance.parent,
    )


def _about_data(dataset: Dataset) -> DatasetInfo:
    samples = dataset.samples
    return DatasetInfo(name=dataset.name, fingerprint=dataset.fingerprint, cluster=samples.cluster)
