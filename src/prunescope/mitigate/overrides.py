"""Overrides: what people who looked at images say instead of the model, and of wrong labels.

A row is about one answer: an attribute of a sample. ``yes`` and ``no`` are what the person sees,
and replace the model's answer. ``unsure`` changes nothing. ``label_wrong`` says that the label is
wrong: the truth is its opposite, which becomes the label, before anything is measured, and the
answer.

In a multi-class task an attribute is a class. ``yes`` makes it the answer. ``no`` says which class
it is not, and changes nothing. ``label_wrong`` says that the sample's label is wrong: the class of
a ``yes`` takes its place; without one the sample counts as unlabelled, and no answer changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from prunescope.data.columns import UNKNOWN, read_text
from prunescope.data.samples import Samples, Task
from prunescope.errors import DataError, one_of, shorten
from prunescope.inputs import UNREADABLE
from prunescope.mitigate.routing import SURE
from prunescope.mitigate.splits import side_by_side
from prunescope.predictions import Predictions, settle
from prunescope.predictions.ids import explain
from prunescope.predictions.reading import read_cells, unreadable
from prunescope.predictions.spreadsheets import bare

ANSWERS = ("yes", "no", "unsure", "label_wrong")
"""What a person may say of an answer."""

COLUMNS = ("id", "attribute", "answer")

Places = NDArray[np.int64]


class OverridesInfo(BaseModel):
    """How many answers of each kind the overrides of a file are.

    `idle` of them change nothing of the model: unsure ones, and those that name no class.
    """

    model_config = ConfigDict(frozen=True)

    file: str
    yes: int
    no: int
    unsure: int
    label_wrong: int
    idle: int

    @property
    def n(self) -> int:
        """How many answers people looked at."""
        return self.yes + self.no + self.unsure + self.label_wrong

    def told(self) -> str:
        """Say it in words.

        Examples
        --------
        >>> OverridesInfo(file="r.csv", yes=3, no=1, unsure=1, label_wrong=0, idle=1).told()
        'r.csv: 3 yes, 1 no, 1 unsure, 0 label_wrong; 1 of 5 change no answer'
        """
        counts = {name: getattr(self, name) for name in ANSWERS}
        told = ", ".join(f"{n:,} {name}" for name, n in counts.items())
        return f"{self.file}: {told}; {self.idle:,} of {self.n:,} change no answer"


@dataclass(frozen=True)
class Review:
    """What overrides say of some samples.

    Parameters
    ----------
    labels : array (N, A) of int8
        The samples' labels, corrected.
    answers : array (N, A) of int8
        1 yes, 0 no, -1 the model's. A class is 1 and all others are 0.
    n_answers, n_corrected : int
        How many answers are a person's, and how many labels were called wrong.
    """

    labels: NDArray[np.int8]
    answers: NDArray[np.int8]
    n_answers: int
    n_corrected: int

    @property
    def settled(self) -> NDArray[np.bool_]:
        """Which answers (N, A) are a person's."""
        return np.asarray(self.answers != UNKNOWN)

    def correct(self, predictions: Predictions) -> Predictions:
        """Return predictions on the same samples with the corrected labels."""
        return replace(predictions, samples=replace(predictions.samples, labels=self.labels))

    def settle(self, predictions: Predictions, name: str) -> Predictions:
        """Return predictions on the same samples, of this name, with the answers of people.

        Their logits are ± `SURE`, less thresholds.
        """
        said = np.where(self.answers == 1, SURE, -SURE)
        logits = np.where(self.settled, said, settle(predictions).logits)
        metadata = predictions.metadata.model_copy(update={"name": name})
        return replace(predictions, logits=logits, thresholds=None, metadata=metadata)


@dataclass(frozen=True, repr=False)
class Overrides:
    """What people say of some answers. Made by `load` or `of`.

    Parameters
    ----------
    table : polars.DataFrame
        Columns id, attribute, answer, and row: where each stands, from 1. One row per answer.
    source : str
        What messages call it.

    Examples
    --------
    >>> samples = Samples(pl.Series(["a", "b"]), ("Bald",), np.array([[1], [1]], np.int8))
    >>> from prunescope.predictions import Metadata
    >>> sparse = Predictions(samples, np.array([[-1.0], [2.0]]), Metadata(name="sparse"))
    >>> said = {"id": ["a", "b"], "attribute": ["Bald", "Bald"], "answer": ["yes", "label_wrong"]}
    >>> both = Overrides.of(pl.DataFrame(said)).apply(sparse)
    >>> both.decisions[:, 0].tolist(), both.samples.labels[:, 0].tolist()
    ([True, False], [1, 0])
    """

    table: pl.DataFrame
    source: str = "overrides"

    @classmethod
    def of(cls, frame: pl.DataFrame, source: str = "overrides") -> Overrides:
        """Check a table with the columns id, attribute and answer; others are left alone.

        An answer that several rows give alike counts once, and ``unsure`` gives way to what
        somebody is sure of.

        Raises
        ------
        DataError
            A column or cell is missing, an answer is none of `ANSWERS`, or two rows contradict each
            other.
        """
        lacking = [name for name in COLUMNS if name not in frame.columns]
        if lacking:
            raise DataError(
                f"{source}: no column {shorten(lacking)}; expected id, attribute and answer "
                f"({shorten(ANSWERS)}), found {shorten(frame.columns, 12) or 'none'}"
            )
        if frame.is_empty():
            raise DataError(f"{source}: no rows; expected one for each answer that was looked at")
        table = pl.DataFrame([read_text(frame[name], source) for name in COLUMNS])
        table = table.with_row_index("row", 1).with_columns(
            pl.col("answer").str.strip_chars().str.to_lowercase()
        )
        for name in COLUMNS:
            empty = table.filter(pl.col(name).is_null() | (pl.col(name) == ""))
            if empty.height:
                raise DataError(f"{source}: row {empty['row'][0]} has no {name}")
        wrong = table.filter(~pl.col("answer").is_in(ANSWERS))
        if wrong.height:
            row = wrong.row(0, named=True)
            raise DataError(
                f"{source}: row {row['row']}: {one_of('answer', row['answer'], ANSWERS)}"
            )
        return cls(_once(table, source), source)

    @classmethod
    def load(cls, path: str | Path) -> Overrides:
        """Read a CSV or Parquet file, such as a review queue exports.

        Raises
        ------
        DataError
            The file is absent or damaged, or its table is not as `of` expects.
        """
        path = Path(path)
        if not path.is_file():
            raise DataError(f"{path}: no such file; expected overrides as .csv or .parquet")
        kind = path.suffix.lower()
        if kind not in (".csv", ".parquet"):
            raise DataError(f"{path}: expected overrides in a file that ends in .csv or .parquet")
        try:
            frame = read_cells(path) if kind == ".csv" else pl.read_parquet(path, glob=False)
        except UNREADABLE as error:
            raise unreadable(path, error) from error
        if kind == ".csv":
            frame = frame.with_columns(bare(column) for column in frame)
        return cls.of(frame, str(path))

    def __len__(self) -> int:
        return self.table.height

    def __repr__(self) -> str:
        return f"Overrides({self.source!r}, {len(self):,} answers)"

    def info(self, task: Task) -> OverridesInfo:
        """Count them, of a task."""
        counts = {name: self.table.filter(answer=name).height for name in ANSWERS}
        named = ("yes",) if task == "multiclass" else ("yes", "no", "label_wrong")
        idle = len(self) - sum(counts[name] for name in named)
        return OverridesInfo(file=Path(self.source).name, idle=idle, **counts)

    def check(self, *models: Predictions) -> None:
        """Raise a `DataError` where ids or attributes are in none of some splits' predictions."""
        attributes = models[0].attributes
        wrong = self.table.filter(~pl.col("attribute").is_in(attributes))
        if wrong.height:
            row = wrong.row(0, named=True)
            raise DataError(
                f"{self.source}: row {row['row']} of {wrong.height:,} that {models[0].name} cannot "
                f"answer: {one_of('attribute', row['attribute'], attributes)}"
            )
        known = pl.concat([model.samples.ids.alias("id") for model in models])
        absent = self.table.filter(~pl.col("id").is_in(known.implode()))
        if absent.height:
            row, ids = absent.row(0, named=True), self.table["id"].unique(maintain_order=True)
            none = not ids.is_in(known.implode()).any()
            why = explain(ids, known, self.source, models[0].name) if none else ""
            raise DataError(
                f"{self.source}: {absent['id'].n_unique():,} of the {len(ids):,} ids are not among "
                f"the samples of {models[0].name}, {row['id']!r} in row {row['row']} for example: "
                f"expected overrides of these samples{why}"
            )

    def on(self, samples: Samples) -> Review:
        """Return what is said of some samples; what is said of others is passed over.

        Raises
        ------
        DataError
            A label is called wrong that is not there, or two classes are said of one sample.
        """
        rows = pl.DataFrame({"id": samples.ids}).with_row_index("sample")
        mine = self.table.join(rows, on="id", how="inner", maintain_order="left")
        codes = {name: code for code, name in enumerate(samples.attributes)}
        column = pl.col("attribute").replace_strict(codes, default=None, return_dtype=pl.Int64)
        mine = mine.with_columns(column=column).drop_nulls("column")
        of_answer = [mine.filter(answer=name) for name in ("yes", "no", "label_wrong")]
        yes, no, wrong = of_answer
        unlabelled = wrong.filter(pl.Series(samples.labels[_cells(wrong)] == UNKNOWN))
        if unlabelled.height:
            row = unlabelled.row(0, named=True)
            raise DataError(
                f"{self.source}: row {row['row']} calls the label of {row['attribute']!r} for id "
                f"{row['id']!r} wrong, and there is none: expected yes or no"
            )
        labels, answers = samples.labels.copy(), np.full_like(samples.labels, UNKNOWN)
        if samples.task == "multilabel":
            labels[_cells(wrong)] = 1 - labels[_cells(wrong)]
            answers[_cells(yes)], answers[_cells(no)] = 1, 0
            answers[_cells(wrong)] = labels[_cells(wrong)]
            return Review(labels, answers, yes.height + no.height + wrong.height, wrong.height)
        self._check_classes(yes, wrong, samples.labels)
        answers[_cells(yes)[0]] = 0
        answers[_cells(yes)] = 1
        doubted = _cells(wrong)[0]
        labels[doubted] = answers[doubted]
        return Review(labels, answers, yes.height, wrong.height)

    def _check_classes(
        self, yes: pl.DataFrame, wrong: pl.DataFrame, labels: NDArray[np.int8]
    ) -> None:
        """Raise where a sample is said to be of two classes, or of the one that is called wrong."""
        twice = yes.filter(pl.col("sample").is_duplicated()).sort("sample", "row")
        if twice.height:
            first, other = twice.head(2).to_dicts()
            raise DataError(
                f"{self.source}: rows {first['row']} and {other['row']} say that id "
                f"{first['id']!r} is {first['attribute']!r} and {other['attribute']!r}: expected "
                "one class"
            )
        doubted = yes.join(wrong, on="sample", suffix="_wrong", maintain_order="left")
        same = doubted.filter(pl.Series(labels[_cells(doubted)] == 1))
        if same.height:
            row = same.row(0, named=True)
            raise DataError(
                f"{self.source}: row {row['row_wrong']} calls the label of id {row['id']!r} wrong, "
                f"and row {row['row']} says that it is {row['attribute']!r}, as labelled: leave "
                "one out"
            )

    def apply(self, predictions: Predictions) -> Predictions:
        """Return the predictions with the answers of people, measured by corrected labels.

        To apply them twice would call corrected labels wrong: keep the predictions as they were.

        Raises
        ------
        DataError
            They are not about these predictions.
        """
        self.check(predictions)
        review = self.on(predictions.samples)
        return review.correct(review.settle(predictions, f"{predictions.name}+overrides"))

    def correct(
        self, pruned: Predictions, dense: Predictions
    ) -> tuple[Predictions, Predictions, Review]:
        """Return two models side by side with corrected labels, and what is said of their samples.

        Raises
        ------
        DataError
            The two do not fit together.
        """
        pruned, dense = side_by_side(pruned, dense)
        review = self.on(pruned.samples)
        return review.correct(pruned), review.correct(dense), review


def _cells(rows: pl.DataFrame) -> tuple[Places, Places]:
    """Return samples and attributes of some rows, as an index of arrays (N, A)."""
    return rows["sample"].to_numpy().astype(np.int64), rows["column"].to_numpy().astype(np.int64)


def _once(table: pl.DataFrame, source: str) -> pl.DataFrame:
    """Keep one row per answer; raise where two contradict each other."""
    key = ["id", "attribute"]
    sure = table.with_columns(unsure=pl.col("answer") == "unsure").sort(
        "unsure", "row", maintain_order=True
    )
    kept = sure.unique(key, keep="first", maintain_order=True)
    both = sure.filter(~pl.col("unsure")).join(kept, on=key, suffix="_first", maintain_order="left")
    against = both.filter(pl.col("answer") != pl.col("answer_first"))
    if against.height:
        row = against.row(0, named=True)
        raise DataError(
            f"{source}: rows {row['row_first']} and {row['row']} contradict each other on "
            f"{row['attribute']!r} of id {row['id']!r}, {row['answer_first']} and {row['answer']} "
            f"({against.height:,} such rows): settle what it is, and keep one"
        )
    return kept.sort("row").select(*COLUMNS, "row")
