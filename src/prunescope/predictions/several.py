"""Several models in whatever form a caller has them: predictions, paths, frames, arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, ValuesView
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, TypeGuard

import polars as pl

from prunescope.data.samples import Samples
from prunescope.errors import ConfigError, DataError, settings_of, shorten
from prunescope.predictions.given import Matrix, index_of, table_of_columns
from prunescope.predictions.memory import common_index, logits_in, samples_of
from prunescope.predictions.metadata import Compression, Metadata
from prunescope.predictions.record import Predictions
from prunescope.predictions.scores import Scores
from prunescope.predictions.told import Told

Model: TypeAlias = object
"""`Predictions`, a path, an array or tensor, a frame of logits, or one of a file's columns."""


@dataclass(frozen=True)
class Truth:
    """What is told of samples beside the scores of models: as for `Predictions.of`."""

    labels: object | None = None
    groups: object | None = None
    attributes: Iterable[str] | None = None
    classes: Iterable[object] | None = None
    ids: object | None = None

    @property
    def told(self) -> list[str]:
        """Names of what is told."""
        return [name for name, value in vars(self).items() if value is not None]


@dataclass(frozen=True)
class Given:
    """One model as it was given.

    Parameters
    ----------
    argument : str
        What messages call it.
    value : Model
    name, method : str, optional
    seed : int, optional
        What is known of it without looking.
    is_named : bool
        Its name was told, and overrides that of a file.
    """

    argument: str
    value: Model
    name: str | None = None
    method: str | None = None
    seed: int | None = None
    is_named: bool = False

    @property
    def told(self) -> Told:
        """What is known of it without looking."""
        with settings_of(self.argument):
            return Told(name=self.name, method=self.method, seed=self.seed)

    @property
    def is_bare(self) -> bool:
        """Whether nothing in it says its name, as in scores alone or a table."""
        if isinstance(self.value, Predictions):
            return not self.value.metadata.name
        return not isinstance(self.value, str | Path)


def each(argument: str, given: object, *, of_seeds: bool = False) -> list[Given]:
    """List the models of an argument: one, several, or several by name.

    Under a name may stand a list: models of one recipe, called by that name, and of the seeds 0,
    1, 2, … `of_seeds` says the same of a list without a name.

    Raises
    ------
    ConfigError
        A model of a list has no name.

    Examples
    --------
    >>> [one.argument for one in each("compressed", {"int8": "8.parquet", "int4": ["a", "b"]})]
    ['compressed["int8"]', 'compressed["int4"][0]', 'compressed["int4"][1]']
    """
    if isinstance(given, Mapping):
        found = []
        for name, value in given.items():
            where = f'{argument}["{name}"]'
            if not _is_list(value):
                found.append(Given(where, value, str(name), is_named=True))
                continue
            found += [
                Given(f"{where}[{at}]", one, f"{name}-seed{at}", str(name), at, is_named=True)
                for at, one in enumerate(value)
            ]
        return found
    if not _is_list(given):
        return [Given(argument, given, argument)]
    found = [Given(f"{argument}[{at}]", one) for at, one in enumerate(given)]
    if not any(one.is_bare for one in found):
        return found
    if not of_seeds:
        nameless = next(one.argument for one in found if one.is_bare)
        raise ConfigError(
            f"{nameless} has no name: expected {{name: scores}} for several models, and a list "
            "under a name for several seeds of one recipe"
        )
    return [
        replace(one, name=f"{argument}-seed{at}", seed=at) if one.is_bare else one
        for at, one in enumerate(found)
    ]


def read_models(
    given: Sequence[Given],
    truth: Truth = Truth(),
    *,
    scores: Scores = "logits",
    beside: Samples | None = None,
) -> tuple[list[Predictions], list[str]]:
    """Read models in whatever form they are given.

    Scores without samples of their own are about those of `truth`, else about those of `beside` or
    of the first model that has some, row by row.

    Returns
    -------
    models : list of Predictions
    notes : list of str

    Raises
    ------
    DataError, ConfigError
        As `Predictions.of` and `Predictions.load`; or there is nothing for `truth` to be about.
    """
    read = [_read(one, scores) for one in given]
    whole = [one for one in read if isinstance(one, Predictions)]
    matrices = [one for one in read if isinstance(one, Matrix)]
    notes: list[str] = []
    if matrices:
        known = whole[0].samples if whole else beside
        samples = _samples(matrices, truth, known)
        if known is not None and samples.ids.equals(known.ids) and truth.ids is None:
            notes.append(
                f"{shorten(one.argument for one in matrices)}: without ids, so row by row the "
                f"samples of {whole[0].name if whole else 'validation'}"
            )
    elif truth.told:
        raise ConfigError(
            f"{', '.join(truth.told)}: for scores without samples of their own; "
            f"{shorten(one.argument for one in given)} have theirs"
        )
    elif scores != "logits" and all(isinstance(one.value, Predictions) for one in given):
        raise ConfigError(
            f"scores={scores!r}: for arrays, frames and files; Predictions are logits"
        )
    models = [
        Predictions(
            samples, logits_in(mine, samples, scores), one.told.over(Metadata(task=samples.task))
        )
        if isinstance(mine, Matrix)
        else mine
        for one, mine in zip(given, read, strict=True)
    ]
    _check_seeds(given, models)
    return models, notes


def _read(given: Given, scores: Scores) -> Predictions | Matrix:
    """Read one model, or its scores where it has no samples."""
    value = given.value
    if isinstance(value, Predictions):
        return _renamed(given, value)
    if isinstance(value, str | Path):
        return _renamed(given, Predictions.load(value, scores=scores))
    if value is None or isinstance(value, bool | int | float) or _is_list(value):
        raise DataError(
            f"{given.argument} is {type(value).__name__}: expected predictions, a path, a frame, "
            "an array or a tensor; lists hold several models"
        )
    frame = table_of_columns(value, given.argument)
    if frame is not None and any(name.startswith("logit__") for name in frame.columns):
        index = common_index([(given.argument, index_of(value))])
        if index is not None and "id" not in frame.columns:
            frame = frame.with_columns(id=index)
        name = given.name or given.argument
        table = Predictions.from_table(frame, given.argument, name=name, scores=scores)
        return _renamed(given, table)
    return Matrix.of(value, given.argument)


def _samples(matrices: Sequence[Matrix], truth: Truth, known: Samples | None) -> Samples:
    """Return the samples that scores are about."""
    first = matrices[0]
    if known is None:
        if truth.labels is None:
            raise ConfigError(
                f"labels are missing: {first.argument} holds scores alone. Say what is true by "
                "labels=... or Predictions.of(scores, labels), or give a table with the columns of "
                "a prediction file (id, y__Bald, logit__Bald)"
            )
        return samples_of(matrices, **vars(truth))
    told = dict(vars(truth))
    if truth.ids is None:
        told["ids"] = _index_among(matrices, known)
    if told["ids"] is None:
        for one in matrices:
            if len(one.values) != len(known):
                raise DataError(
                    f"{one.argument} has {len(one.values):,} rows, and there are {len(known):,} "
                    "samples: expected one row each, or ids=..."
                )
        if not truth.told:
            return known
        told["ids"] = known.ids
    if truth.attributes is None and truth.classes is None:
        named = "classes" if known.task == "multiclass" else "attributes"
        told[named] = known.attributes
    return samples_of(matrices, **told)


def _index_among(matrices: Sequence[Matrix], known: Samples) -> pl.Series | None:
    """Return the pandas index of scores where it names some of the samples; None elsewhere."""
    index = common_index((one.argument, one.index) for one in matrices)
    return None if index is None or not index.is_in(known.ids.implode()).any() else index


def _renamed(given: Given, model: Predictions) -> Predictions:
    """Tell a model the name under which it stands, and else only what it does not know itself."""
    mine = model.metadata
    if mine.name and not given.is_named:
        return model
    known = {
        "method": mine.compression.method != Compression().method,
        "seed": mine.seed is not None,
    }
    told = given.told.model_copy(update={key: None for key, has in known.items() if has})
    return replace(model, metadata=told.over(mine))


def _check_seeds(given: Sequence[Given], models: Sequence[Predictions]) -> None:
    """Raise where a seed that was counted is also that of another model of the list."""
    seen: dict[tuple[str, int], Given] = {}
    for one, model in zip(given, models, strict=True):
        if model.metadata.seed is None:
            continue
        key = (one.argument.rpartition("[")[0], model.metadata.seed)
        other = seen.setdefault(key, one)
        if other is not one and not (one.seed is None and other.seed is None):
            raise ConfigError(
                f"{other.argument} and {one.argument} are both of seed {model.metadata.seed}: tell "
                "each its own by Predictions.of(..., seed=...)"
            )


def _is_list(given: object) -> TypeGuard[Iterable[object]]:
    """Tell whether something holds several models, rather than being one."""
    if isinstance(given, str | Path):
        return False
    return isinstance(given, Sequence | Iterator | ValuesView)
