"""The sample table: one row per sample, to sort and filter in pandas, FiftyOne or Spotlight."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit.cies import find_cies
from prunescope.audit.setup import check_names, told
from prunescope.audit.subject import baseline_of, populations_of
from prunescope.data.columns import UNKNOWN
from prunescope.errors import ConfigError
from prunescope.files import replacing
from prunescope.forecast import Forecast
from prunescope.metrics.agreement import Population
from prunescope.mitigate.risk import risk_of
from prunescope.predictions import Predictions, align
from prunescope.predictions.spreadsheets import write_table

TAGS = ("flip", "harmful", "helpful", "uncertain", "unlabelled", "cie")
"""What a sample may be tagged with, of any compressed model: an answer changed; from right to
wrong; from wrong to right; its probability is inside the band; a label is not known; the commonest
answer of several seeds changed."""

SUFFIXES = (".parquet", ".csv", ".json", ".jsonl")

RESERVED = (
    "id", "filepath", "tags", "metadata", "sample_id", "ground_truth", "risk", "risk_attribute"
)  # fmt: skip
"""Names of fields that no model and no group may have."""

SEPARATOR = ";"
"""Between the items of a list, in CSV."""

Mask = NDArray[np.bool_]


def sample_table(
    dense: Predictions | Sequence[Predictions],
    compressed: Predictions | Sequence[Predictions],
    forecast: Forecast | None = None,
    *,
    band: tuple[float, float] = (0.1, 0.9),
) -> pl.DataFrame:
    """Lay out samples, what is true of them, what each model answers, and what compression changed.

    A compressed model is compared with the dense model of the same training seed, or with the first
    one. A model of classes gives one answer, its class.

    Parameters
    ----------
    dense, compressed : Predictions or several
        On the same samples; joined by id.
    forecast : Forecast, optional
        Of these samples.
    band : pair of float
        A probability strictly inside is uncertain.

    Returns
    -------
    polars.DataFrame
        ``id``; ``filepath``, where predictions name images; ``tags``, some of `TAGS`;
        ``group__<name>``; ``ground_truth``, the attributes that are true. For each model
        ``answers__<model>``, the attributes that it says yes to, with their ``confidence__<model>``
        (the probability) and ``logit__<model>``. For each compressed model ``n_flips__``,
        ``n_harmful__``, ``n_helpful__`` and ``n_uncertain__<model>``; ``flips__<model>``, the
        attributes whose answer changed, or the class before and after; ``moved__<model>``, the
        largest change of a probability, with its sign, and ``moved_attribute__<model>``. With a
        forecast ``risk``, the highest of a sample's answers, and ``risk_attribute``.

    Raises
    ------
    DataError
        Files do not fit together, or the forecast is of other samples.
    ConfigError
        A model is missing, two have one name, or the band is none.

    Examples
    --------
    >>> from prunescope.data.samples import Samples
    >>> from prunescope.predictions import Metadata
    >>> samples = Samples(pl.Series(["a"]), ("Bald", "Hat"), np.array([[1, 0]], np.int8))
    >>> dense = Predictions(samples, np.array([[2.0, -3.0]]), Metadata(name="dense"))
    >>> sparse = Predictions(samples, np.array([[-3.0, 3.0]]), Metadata(name="sparse"))
    >>> found = sample_table(dense, sparse)
    >>> found["tags"].to_list(), found["flips__sparse"].to_list(), found["n_harmful__sparse"][0]
    ([['flip', 'harmful']], [['Bald', 'Hat']], 2)
    """
    dense = [dense] if isinstance(dense, Predictions) else list(dense)
    compressed = [compressed] if isinstance(compressed, Predictions) else list(compressed)
    if not 0 <= band[0] < band[1] <= 1:
        raise ConfigError(
            f"band {band[0]:g} to {band[1]:g}: expected two probabilities, the lower one first"
        )
    check_names([model.name for model in dense], [model.name for model in compressed])
    models, _ = align([*dense, *compressed])
    samples = models[0].samples
    metadata, _ = told([model.metadata for model in models], len(dense))
    columns: dict[str, pl.Series] = {}
    tagged = {tag: np.zeros(len(samples), bool) for tag in TAGS}
    tagged["unlabelled"] = (samples.labels == UNKNOWN).any(axis=1)
    for place, model in enumerate(models):
        columns |= _answers(model)
        if place < len(dense):
            continue
        before = models[baseline_of(metadata, len(dense), place)]
        columns |= _changes(before, model, band, tagged)
    tagged["cie"] = _exemplars(models, populations_of(metadata, len(dense)), len(dense))
    if forecast is not None:
        risk = risk_of(forecast, models[0], models[0])
        columns["risk"] = pl.Series(risk.max(axis=1))
        classes = samples.task == "multiclass"  # whose risk is that of the named one
        riskiest = models[0].decisions if classes else risk
        columns["risk_attribute"] = _named(samples.attributes, riskiest.argmax(axis=1))
    first = {"id": samples.ids}
    if samples.images is not None:
        first["filepath"] = samples.images
    first["tags"] = _named_lists(np.stack(list(tagged.values()), axis=1), TAGS)
    first |= {f"group__{name}": group.to_series(name) for name, group in samples.groups.items()}
    first["ground_truth"] = _named_lists(samples.labels == 1, samples.attributes)
    return pl.DataFrame({**first, **columns})


def _answers(model: Predictions) -> dict[str, pl.Series]:
    """Return what a model says yes to, and how sure it is of it."""
    rows, columns = np.nonzero(model.decisions)
    said = {
        f"answers__{model.name}": _named(model.attributes, columns),
        f"confidence__{model.name}": model.probabilities[rows, columns],
        f"logit__{model.name}": model.logits[rows, columns],
    }
    return _lists(model.decisions, pl.DataFrame(said)).to_dict()


def _changes(
    before: Predictions, model: Predictions, band: tuple[float, float], tagged: dict[str, Mask]
) -> dict[str, pl.Series]:
    """Return what a compressed model changed, and tag the samples."""
    samples, name = model.samples, model.name
    flipped = before.decisions != model.decisions
    harmful = flipped & (samples.labels == before.decisions)
    helpful = flipped & (samples.labels == model.decisions)
    p = model.probabilities
    uncertain = (p > band[0]) & (p < band[1])
    moved = p - before.probabilities
    if samples.task == "multiclass":  # one answer a sample, whose two cells change
        right = samples.labels == 1
        harmful, helpful = harmful & right, helpful & right
        uncertain = uncertain & model.decisions
    counts = {"flips": flipped, "harmful": harmful, "helpful": helpful, "uncertain": uncertain}
    numbers = {kind: cells.sum(axis=1) for kind, cells in counts.items()}
    names = _named_lists(flipped, samples.attributes)
    if samples.task == "multiclass":
        numbers["flips"] = numbers["flips"] // 2
        names = _before_and_after(before, model, flipped.any(axis=1))
    for tag, kind in zip(TAGS, counts, strict=False):
        tagged[tag] |= numbers[kind] > 0
    most = abs(moved).argmax(axis=1)
    return {
        **{f"n_{kind}__{name}": pl.Series(n.astype(np.int32)) for kind, n in numbers.items()},
        f"flips__{name}": names,
        f"moved__{name}": pl.Series(moved[np.arange(len(moved)), most]),
        f"moved_attribute__{name}": _named(samples.attributes, most),
    }


def _before_and_after(before: Predictions, model: Predictions, changed: Mask) -> pl.Series:
    """Return the class before and after, of samples whose class changed."""
    classes = np.stack([one.decisions.argmax(axis=1) for one in (before, model)], axis=1)
    pairs = np.repeat(changed[:, None], 2, axis=1)
    names = _named(model.attributes, classes[changed].ravel())
    return _lists(pairs, pl.DataFrame({"name": names})).to_series()


def _exemplars(
    models: Sequence[Predictions], populations: Sequence[Sequence[int]], n_dense: int
) -> Mask:
    """Mark samples whose commonest answer over the seeds changed, of any compressed population."""
    found = np.zeros(len(models[0].samples), bool)
    if n_dense > 1:
        dense = Population(models[:n_dense])
        for members in populations:
            if members[0] >= n_dense:
                compressed = Population([models[member] for member in members])
                found |= find_cies(dense, compressed).cie.any(axis=1)
    return found


def _named(names: Sequence[str], codes: NDArray[Any]) -> pl.Series:
    """Return the name of each code."""
    return pl.Series(names, dtype=pl.String).gather(pl.Series(codes, dtype=pl.Int64))


def _lists(cells: Mask, values: pl.DataFrame) -> pl.DataFrame:
    """Return lists per row (N, K) of the values of its marked cells, which are given in order."""
    rows = pl.Series("row", np.repeat(np.arange(len(cells)), cells.sum(axis=1))).set_sorted()
    lists = values.insert_column(0, rows).group_by("row", maintain_order=True).all()
    everyone = pl.DataFrame({"row": np.arange(len(cells))})
    found = everyone.join(lists, on="row", how="left", maintain_order="left").drop("row")
    return found.with_columns(pl.all().fill_null([]))


def _named_lists(cells: Mask, names: Sequence[str]) -> pl.Series:
    """Return a list per row (N, K) of the names of the columns that are marked."""
    names_of = _named(names, np.nonzero(cells)[1])
    return _lists(cells, pl.DataFrame({"name": names_of})).to_series()


def write_samples(table: pl.DataFrame, path: str | Path) -> Path:
    """Write a sample table; return its path.

    Parameters
    ----------
    table : polars.DataFrame
        As `sample_table` returns it.
    path : path
        ``.parquet`` keeps lists. ``.csv`` joins them by ``;`` and puts an apostrophe before text
        that a spreadsheet would take for a formula. ``.json`` or ``.jsonl``: JSON lines, one object
        per sample in FiftyOne's form, whose names hold letters, digits and ``_`` alone.

    Raises
    ------
    ConfigError
        The name ends otherwise.
    DataError
        The file cannot be written.
    """
    path = check_samples_path(path)
    if path.suffix in (".json", ".jsonl"):
        with replacing(path) as beside:
            nested(table).write_ndjson(beside)
    else:
        write_table(_joined(table) if path.suffix == ".csv" else table, path)
    return path


def check_samples_path(path: str | Path) -> Path:
    """Return the path if a sample table can be kept under that name, else raise a `ConfigError`."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{path}: expected a file that ends in {', '.join(SUFFIXES)}")
    return path


def _joined(table: pl.DataFrame) -> pl.DataFrame:
    """Join lists to text."""
    numbers = pl.selectors.by_dtype(pl.List(pl.Float32), pl.List(pl.Float64))
    flat = table.with_columns(numbers.list.eval(pl.element().round(4)).cast(pl.List(pl.String)))
    return flat.with_columns(pl.selectors.by_dtype(pl.List(pl.String)).list.join(SEPARATOR))


def nested(table: pl.DataFrame) -> pl.DataFrame:
    """Return a sample table in FiftyOne's form: labels as ``{"classifications": [{"label"}]}``.

    ``id`` is ``sample_id``, as FiftyOne gives ids of its own.

    >>> table = pl.DataFrame({"id": ["a"], "tags": [["flip"]], "ground_truth": [["Bald"]]})
    >>> nested(table).to_dicts()[0]["ground_truth"]
    {'classifications': [{'label': 'Bald'}]}
    """
    taken = set(RESERVED)
    columns: dict[str, pl.Series] = {}
    names: dict[str, str] = {}
    for column in table:
        kind, _, name = column.name.partition("__")
        if kind == "answers":
            names[name] = _field(name, taken)
            scores = {one: table[f"{one}__{name}"] for one in ("confidence", "logit")}
            columns[names[name]] = _classifications(column, scores)
        elif column.name == "ground_truth":
            columns[column.name] = _classifications(column, {})
        elif kind == "group" and name:
            columns[_field(f"group_{name}", taken)] = column
        elif not name:
            columns[{"id": "sample_id"}.get(kind, kind)] = column
        elif kind not in ("confidence", "logit"):
            columns[_field(f"{names[name]}_{kind}", taken)] = column
    return pl.DataFrame(columns)


def _field(name: str, taken: set[str]) -> str:
    """Return a name that FiftyOne takes for a field, and take it."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    plain = plain if re.match(r"[A-Za-z]", plain) else f"m{plain}"
    number = 2
    found = plain
    while found in taken:
        found, number = f"{plain}_{number}", number + 1
    taken.add(found)
    return found


def _classifications(labels: pl.Series, scores: dict[str, pl.Series]) -> pl.Series:
    """Return lists of labels, with lists of scores beside them, as FiftyOne's classifications."""
    parts = pl.DataFrame({"label": labels, **scores}).with_row_index("row")
    each = parts.explode("label", *scores).drop_nulls("label")
    lists = each.group_by("row", maintain_order=True).agg(
        classifications=pl.struct(pl.exclude("row"))
    )
    found = parts.select("row").join(lists, on="row", how="left", maintain_order="left")
    return found.select(pl.struct(pl.col("classifications").fill_null([]))).to_series()
