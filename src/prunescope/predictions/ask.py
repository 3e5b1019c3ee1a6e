"""Asking a model: the step from tensors to `Predictions`, and to `Embeddings`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from prunescope.data.dataset import Dataset
from prunescope.errors import ConfigError, one_of
from prunescope.predictions.embeddings import Embeddings
from prunescope.predictions.loader import LoaderReader
from prunescope.predictions.metadata import Metadata
from prunescope.predictions.record import Predictions
from prunescope.predictions.scores import Scores, logits_of, warn_of_scores
from prunescope.runtimes import FileModel, Function

if TYPE_CHECKING:
    from torch import nn


def predict(
    model: nn.Module | FileModel | Function,
    data: Dataset | Iterable[Any],
    metadata: Metadata | None = None,
    *,
    attributes: Sequence[str] | None = None,
    ids: Sequence[Any] | str | None = None,
    groups: Mapping[str, Any] | Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    scores: Scores = "logits",
    batch_size: int = 256,
    device: str | None = None,
    autocast: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Ask a model about every image of a data set, or of a DataLoader.

    Parameters
    ----------
    model : torch.nn.Module, FileModel or Function
        A module maps images to logits (B, A): as a tensor, as ``.logits``, under the key
        ``logits``, or first in a tuple. It is asked in evaluation mode and without gradients, ends
        on the device, and is otherwise left as it was.
    data : Dataset or iterable of batches
        N images (usually one split) with A attributes, the model's outputs in order; a module is
        given them as floats in [0, 1]. Or batches, as a DataLoader gives them, whose images a
        module is given as they are: ``(images, labels)``; dictionaries with ``pixel_values``,
        ``images`` or ``image``, and ``labels`` or ``label``; or images alone. Labels are (B, A) of
        0 and 1 for attributes, or (B,) of positions for classes; NaN or −1 means unlabelled.
    metadata : Metadata, optional
        Provenance to keep with the predictions.
    attributes : sequence of str, optional
        For batches: what the A outputs stand for. By default what the model says
        (``model.config.id2label``, and ``problem_type`` whether one of them is chosen).
    classes : sequence of str, optional
        In place of attributes, where one of the A is chosen.
    ids : sequence or str, optional
        For batches: an id per image, or the key that has them in each batch; default: "0", "1", …
    groups : mapping or sequence of str, optional
        For batches: name → a value per image, None or NaN where unknown; or the keys that have
        them in each batch.
    scores : {"logits", "probability"}
        What the model gives. It is never guessed.
    batch_size : int
        For a data set and a module.
    device : str, optional
        Of a module.
    autocast : {"bfloat16", "float16"}, optional
        Type in which a module computes where torch thinks it safe.
    progress : callable (done, total), optional
        Called after every batch, where the number of images is known.

    Raises
    ------
    DataError
        A logit is NaN or infinite, the model has another number of outputs, or a batch, label, id
        or group is not what it should be.
    ConfigError
        The names of the outputs are not known, the DataLoader shuffles, or an option does not fit.

    Examples
    --------
    >>> import torch
    >>> batches = [(torch.rand(4, 3, 8, 8), torch.tensor([[1, 0], [0, 1], [1, 1], [0, -1]]))]
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> predict(model, batches, attributes=["Bald", "Smiling"], groups={"Male": [1, 0, 0, 1]})
    Predictions('model', 4 samples × 2 attributes, groups Male)
    """
    if scores not in get_args(Scores):
        raise ConfigError(one_of("kind of scores", scores, get_args(Scores)))
    if isinstance(model, FileModel | Function) and (device, autocast) != (None, None):
        raise ConfigError("device and autocast are a module's: leave them out")
    if isinstance(data, Dataset):
        given = {"attributes": attributes, "classes": classes, "ids": ids, "groups": groups}
        if told := [name for name, value in given.items() if value is not None]:
            raise ConfigError(f"leave out {', '.join(told)}: a Dataset says them itself")
        samples = data.samples
        if isinstance(model, FileModel | Function):
            raw: Any = model.infer(data, progress=progress)
        else:
            from prunescope.training import infer  # torch is imported when it is needed

            raw = infer(
                model, data,
                batch_size=batch_size, device=device, autocast=autocast, progress=progress,
            )  # fmt: skip
    else:
        if isinstance(model, FileModel | Function):
            raise ConfigError("a file or function is asked about a Dataset: got batches")
        from prunescope.training import ask

        reader = LoaderReader(data, ids, groups)
        raw = ask(
            model, reader, device=device, autocast=autocast, on_batch=reader.progress(progress)
        )
        samples = reader.samples(raw, model, attributes, classes)
    metadata = metadata or Metadata(task=samples.task)
    source = Path(metadata.name or "the model")
    if isinstance(model, FileModel | Function) or scores == "probability":
        warn_of_scores(raw, scores, source)
    if scores == "probability":
        raw = logits_of(raw, samples, source)
    return Predictions(samples, raw, metadata)


def embed(
    model: nn.Module | FileModel | Function,
    data: Dataset | Iterable[Any],
    *,
    ids: Sequence[Any] | str | None = None,
    batch_size: int = 256,
    device: str | None = None,
    autocast: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Embeddings:
    """Return what the last layer of a model sees of every image: its features.

    Where the answers are wanted too, `prunescope.models.penultimate` collects the features while
    `predict` asks for those.

    Parameters
    ----------
    model : torch.nn.Module
        As for `predict`; files and functions are refused. The layer that gives its answers is a
        `torch.nn.Linear` or a convolution.
    data : Dataset or iterable of batches
        As for `predict`; labels are passed over.
    ids : sequence or str, optional
        For batches: an id per image, or the key that has them in each batch; default: "0", "1", …
    batch_size, device, autocast, progress
        As for `predict`.

    Raises
    ------
    ConfigError
        No layer gives the answers, the model is a file or a function, or an option does not fit.
    DataError
        A number is NaN or infinite, or a batch or id is not what it should be.

    Examples
    --------
    >>> import torch
    >>> layers = torch.nn.Flatten(), torch.nn.Linear(192, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)
    >>> embed(torch.nn.Sequential(*layers), [torch.rand(4, 3, 8, 8)])
    Embeddings(4 samples × 8 features)
    """
    module = with_layers(model)
    if isinstance(data, Dataset) and ids is not None:
        raise ConfigError("leave out ids: a Dataset says them itself")
    from prunescope.models import penultimate  # torch is imported when it is needed
    from prunescope.training import ask, infer

    options: Any = {"device": device, "autocast": autocast}
    with penultimate(module) as seen:
        if isinstance(data, Dataset):
            infer(module, data, batch_size=batch_size, progress=progress, **options)
            return Embeddings.of(seen.values(), data.samples.ids)
        reader = LoaderReader(data, ids, None)
        ask(module, reader, on_batch=reader.progress(progress), **options)
    values = seen.values()
    return Embeddings.of(values, range(len(values)) if reader.ids is None else reader.ids)


def with_layers(model: nn.Module | FileModel | Function) -> nn.Module:
    """Return a model if its layers can be looked into, else raise a `ConfigError`."""
    if isinstance(model, FileModel):
        raise no_features("a model's file")
    if isinstance(model, Function):
        raise no_features(model.name)
    return model


def no_features(name: str) -> ConfigError:
    """Say that a model gives answers alone, and what to do for embeddings."""
    return ConfigError(
        f"{name} gives answers and no embeddings, as its layers cannot be looked into: ask the "
        "model that it was made of (a folder, hf:… or module:factory), or write the embeddings of "
        "another network to a file (prunescope.Embeddings)"
    )
