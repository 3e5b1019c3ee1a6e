"""Slices as groups of other data: rules in a file, and the columns that they make there."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import Group
from prunescope.errors import DataError, reasons, shorten
from prunescope.files import replacing
from prunescope.inputs import read_json
from prunescope.predictions import Predictions
from prunescope.predictions.embeddings import Embeddings
from prunescope.slices.features import known_columns, read_metadata
from prunescope.slices.rules import Column, Feature, Rule
from prunescope.slices.space import Space

MOST_SAID = 300
"""Characters of what is wrong with a file."""


class SliceRules(BaseModel):
    """Rules by the names of the groups that they make, with what they need of an embedding.

    History of the format: 1 (0.2.0) first.

    Parameters
    ----------
    dense : str
        The model whose answers, and embeddings, the rules are about.
    rules : dict
        Name of the group → rule.
    space : Space, optional
        Needed where a rule asks where an embedding lies.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    dense: str
    rules: dict[str, Rule]
    space: Space | None = None

    @property
    def features(self) -> list[Feature]:
        """All features that are asked about, each once."""
        return list(dict.fromkeys(one for rule in self.rules.values() for one in rule.features))

    def save(self, path: str | Path) -> None:
        """Write them as JSON."""
        with replacing(Path(path)) as beside:
            beside.write_text(self.model_dump_json(indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, path: str | Path) -> SliceRules:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            The file is absent, damaged, or no such file.
        """
        path = Path(path)
        try:
            return cls.model_validate(read_json(path))
        except FileNotFoundError as error:
            raise DataError(
                f"{path} does not exist: expected what 'prunescope slices --save-groups' writes"
            ) from error
        except (ValueError, OSError) as error:
            why = reasons(error, "rules") if isinstance(error, ValidationError) else error
            raise DataError(
                f"{path}: expected what 'prunescope slices --save-groups' writes: "
                f"{textwrap.shorten(str(why), MOST_SAID, placeholder=' …')}"
            ) from error

    def groups(
        self,
        dense: Predictions,
        embeddings: Embeddings | None = None,
        metadata: object | None = None,
    ) -> dict[str, Group]:
        """Return the group that each rule makes of samples: yes, no, or unknown.

        Parameters
        ----------
        dense : Predictions
            Of the dense model on N samples.
        embeddings : Embeddings, optional
            Of the same network as those that the slices were found in.
        metadata : frame or path, optional
            With the column ``id``.

        Raises
        ------
        DataError
            Something that a rule asks for is not there.
        """
        told = None if metadata is None else read_metadata(metadata, dense.samples.ids)
        columns: dict[Feature, Column] = dict(known_columns(dense, told, self.features))
        if any(one.of_embedding for one in self.features):
            if embeddings is None or self.space is None:
                raise DataError(
                    "some of the slices ask where an embedding lies: give the embeddings of the "
                    "samples, made as those that the slices were found in"
                )
            columns |= self.space.columns(embeddings.aligned_to(dense.samples.ids).values)
        made = {}
        for name, rule in self.rules.items():
            inside, known = rule.holds(columns)
            codes = np.where(known, inside, UNKNOWN).astype(np.int32)
            made[name] = Group(codes, (False, True))
        return made


def add_groups(
    rules: SliceRules,
    models: Sequence[Predictions],
    embeddings: Embeddings | None = None,
    metadata: object | None = None,
) -> list[Predictions]:
    """Return models' predictions with the slices as groups of their samples.

    Parameters
    ----------
    rules : SliceRules
    models : sequence of Predictions
        The dense model first; samples are joined by id.
    embeddings, metadata
        As for `SliceRules.groups`.

    Raises
    ------
    DataError
        A group of that name is there already, a sample of a model is not the dense model's, or
        something that a rule asks for is not there.
    """
    dense = models[0]
    made = rules.groups(dense, embeddings, metadata)
    return [_with(model, made, dense) for model in models]


def _with(model: Predictions, made: dict[str, Group], dense: Predictions) -> Predictions:
    if taken := [name for name in made if name in model.samples.groups]:
        raise DataError(
            f"{model.name} has a group {shorten(taken)} already: the slices would replace it"
        )
    ids = model.samples.ids
    if not ids.equals(dense.samples.ids):
        rows = pl.DataFrame({"id": ids}).join(
            dense.samples.ids.to_frame("id").with_row_index("row"),
            on="id", how="left", maintain_order="left",
        )["row"]  # fmt: skip
        if rows.null_count():
            raise DataError(
                f"{model.name} has {rows.null_count():,} samples that {dense.name} has not, "
                f"{ids.filter(rows.is_null())[0]!r} for example: expected predictions on one split"
            )
        made = {name: group.take(rows.to_numpy()) for name, group in made.items()}
    samples = replace(model.samples, groups={**model.samples.groups, **made})
    return replace(model, samples=samples)
