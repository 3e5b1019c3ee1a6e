"""Images with their labels and groups, split by split.

The words used here and everywhere after:

sample
    One image with what is known of it, under an id.
attribute
    A yes-or-no property that a model predicts: Smiling. For a multi-class task, one class.
label
    The true value of an attribute for a sample: 1, 0, or -1 where nobody labelled it.
group
    A categorical column whose values are compared with each other: Male, an age band. It may be
    an attribute too.
cluster
    The column that tells which samples depend on each other: the identity of a person. Samples of
    one cluster are resampled together.
split
    The part of a data set that a sample is for: ``train``, ``val`` or ``test``.
rate
    Share of positives among the known labels, in [0, 1].
backdoor
    A trigger in the image, planted to go with an attribute in training alone. Its carriers are the
    group ``backdoor``.
fingerprint
    Hash of all of the above with the pixels: data sets of one fingerprint are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prunescope.data.backdoors import TRIGGER, Backdoor, plant
from prunescope.data.columns import UNKNOWN
from prunescope.data.config import IDENTITY_GROUPS, Columns, DataConfig
from prunescope.data.dataset import Dataset
from prunescope.data.describe import Description, describe
from prunescope.data.export import export_dataset
from prunescope.data.load import SkippedImagesWarning, load_dataset
from prunescope.data.outline import Outline, outline
from prunescope.data.samples import Group, Samples, TrainRates

if TYPE_CHECKING:
    from prunescope.data.synthetic import synthetic_faces

__all__ = [
    "IDENTITY_GROUPS",
    "TRIGGER",
    "UNKNOWN",
    "Backdoor",
    "Columns",
    "DataConfig",
    "Dataset",
    "Description",
    "Group",
    "Outline",
    "Samples",
    "SkippedImagesWarning",
    "TrainRates",
    "describe",
    "export_dataset",
    "load_dataset",
    "outline",
    "plant",
    "synthetic_faces",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a public name
    """Load the drawing of faces when it is first used: its imports are slow."""
    if name == "synthetic_faces":
        from prunescope.data.synthetic import synthetic_faces

        return synthetic_faces
    raise AttributeError(f"module 'prunescope.data' has no attribute {name!r}")
