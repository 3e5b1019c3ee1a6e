"""What to load: a source, the meaning of its columns, and how images are prepared."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from prunescope.data.backdoors import Backdoor
from prunescope.data.framing import Frame
from prunescope.errors import ConfigError

IDENTITY_GROUPS = ("Male", "Young", "Chubby", "Pale_Skin")
"""The groups of synthetic faces and of CelebA unless others are named: the paper's four."""


class Columns(BaseModel):
    """What the columns of a table mean. None means: whatever the source says, or finds.

    Parameters
    ----------
    attributes : tuple of str, optional
        Columns of 0/1/true/false to predict; empty cells are unlabelled. By default every such
        column that has no other role. With `label`: the class names, in order.
    label : str, optional
        Column of class names. The task is then multi-class; `attributes` are by default the
        sorted classes.
    groups : tuple of str, optional
        Columns whose values are compared with each other; they may be attributes too.
    cluster : str, optional
        Column that tells which samples depend on each other, such as the identity of a person.
    split_column : str
        Column of ``train``, ``val``, ``test``, or other names. Without a column ``split`` every
        sample is in ``test``: auditing a model takes no more.
    id_column : str, optional
        By default the column ``id``, where there is one, or else the path of the image.
    image_column : str
        Column of image paths, or of encoded images (Parquet).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    attributes: tuple[str, ...] | None = None
    label: str | None = None
    groups: tuple[str, ...] | None = None
    cluster: str | None = None
    split_column: str = "split"
    id_column: str | None = None
    image_column: str = "image"

    @model_validator(mode="after")
    def _check(self) -> Columns:
        for role in ("attributes", "groups"):
            names = getattr(self, role) or ()
            if repeated := sorted({name for name in names if names.count(name) > 1}):
                raise ConfigError(f"{role} name {', '.join(repeated)} more than once")
        if self.attributes == ():
            raise ConfigError("attributes are empty: name at least one, or leave them out")
        return self

    def over(self, stated: Columns) -> Columns:
        """Return these roles, completed with what a source states about itself.

        `attributes` and `label` answer one question, so naming either replaces both.

        Examples
        --------
        >>> stated = Columns(attributes=("Bald", "Smiling"), groups=("Male",))
        >>> columns = Columns(attributes=("Bald",)).over(stated)
        >>> columns.attributes, columns.groups
        (('Bald',), ('Male',))
        """
        given = {
            name: value
            for name, field in Columns.model_fields.items()
            if (value := getattr(self, name)) != field.default
        }
        known: dict[str, Any] = {name: getattr(stated, name) for name in Columns.model_fields}
        if {"attributes", "label"} & given.keys():
            known |= {"attributes": None, "label": None}
        return Columns(**known | given)


class DataConfig(Columns):
    """A data set to load.

    Parameters
    ----------
    source : str
        ``synthetic``; a table (``.csv``, ``.parquet``); CelebA's official folder; or a folder
        with ``labels.csv`` or ``labels.parquet``, as `export_dataset` writes it.
    images : path, optional
        Folder that the image paths of a table start from; by default the table's own.
    size : int
        Side of the square images, in pixels.
    frame : Frame, optional
        How images of files are cut and resized to `size`; by default `Frame.square`. Commands fill
        in what a model of transformers wants (`prunescope.models.pretrained_data`).
    on_bad_image : {"error", "skip"}
        Whether an image that is missing or damaged stops the loading, or its sample is left out
        with a `SkippedImagesWarning`.
    cache : path, optional
        Folder of decoded images; by default ``$PRUNESCOPE_CACHE`` or ``~/.cache/prunescope``.
    n_train, n_val, n_test, seed : int
        Samples per split and seed of synthetic faces.
    backdoor : Backdoor, optional
        A trigger to plant in the images.

    Other parameters are those of `Columns`.

    Examples
    --------
    >>> DataConfig(source="faces.csv", attributes=["Smiling"], groups=["Male"]).attributes
    ('Smiling',)
    """

    source: str = "synthetic"
    images: Path | None = None
    size: int = Field(default=64, ge=8, le=2048)
    frame: Frame | None = None
    on_bad_image: Literal["error", "skip"] = "error"
    cache: Path | None = None
    n_train: int = Field(default=6000, ge=1)
    n_val: int = Field(default=1000, ge=1)
    n_test: int = Field(default=2000, ge=1)
    seed: int = Field(default=0, ge=0)
    backdoor: Backdoor | None = None

    @model_validator(mode="after")
    def _check_frame(self) -> DataConfig:
        if self.frame is not None and self.frame.side != self.size:
            raise ConfigError(
                f"size {self.size} and a frame that makes images of {self.frame.side} px: expected "
                "the same"
            )
        return self

    @property
    def cache_folder(self) -> Path:
        """Folder of decoded images, with the defaults filled in."""
        if self.cache is not None:
            return self.cache.expanduser()
        return Path(os.environ.get("PRUNESCOPE_CACHE") or "~/.cache/prunescope").expanduser()
