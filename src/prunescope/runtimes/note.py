"""What `prunescope export` notes in a file, read again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, PositiveInt, ValidationError

from prunescope.data.framing import Frame
from prunescope.data.samples import Task
from prunescope.errors import CheckpointError, ConfigError, reasons
from prunescope.inputs import parse_json

OURS = "prunescope"
"""Key of the note."""


class Note(BaseModel):
    """What a file that `prunescope export` wrote tells of its model.

    Parameters
    ----------
    attributes : tuple of str
        What the scores stand for, in order.
    task : {"multilabel", "multiclass"}, optional
    image_size : int, optional
        Side of its images, in pixels.
    frame : Frame, optional
        How its images are cut and resized to that size, where not by `Frame.square`.
    compression : dict, optional
        How it was compressed, as `prunescope.predictions.Compression` has it.
    """

    attributes: Annotated[tuple[str, ...], Field(min_length=1)]
    task: Task | None = None
    image_size: PositiveInt | None = None
    frame: Frame | None = None
    compression: dict[str, Any] | None = None


def read_note(notes: Mapping[str, str], path: Path) -> Note | None:
    """Read the note among the notes of a file; None where `prunescope export` did not write it.

    Raises
    ------
    CheckpointError
        It is damaged.
    """
    if OURS not in notes:
        return None
    try:
        return Note.model_validate(parse_json(notes[OURS]))
    except ValidationError as error:
        why = reasons(error, "the note")
    except (ValueError, ConfigError) as error:
        why = str(error)
    raise CheckpointError(f"{path}: its note {OURS!r} is damaged ({why}); export the model again")
