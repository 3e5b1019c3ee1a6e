"""What a data set holds, told from its labels alone: no image is opened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from prunescope.data.config import IDENTITY_GROUPS, Columns, DataConfig
from prunescope.data.labels import read_samples, to_frame
from prunescope.data.load import read_table


@dataclass(frozen=True)
class Outline:
    """What a data set holds.

    Parameters
    ----------
    attributes, groups : tuple of str
    n_samples : dict
        Split → samples, those with a damaged image included.
    """

    attributes: tuple[str, ...]
    groups: tuple[str, ...]
    n_samples: dict[str, int]


def outline(config: DataConfig) -> Outline:
    """Read the labels of a data set.

    Raises
    ------
    DataError
        The source, a column, a label or a split is not what it should be.

    Examples
    --------
    >>> outline(DataConfig(n_train=50)).n_samples["train"]
    50
    """
    if config.source == "synthetic":
        from prunescope.data.synthetic import synthetic_faces  # slow to import, seldom needed

        few = synthetic_faces(1, 1, 1, size=config.size, seed=config.seed)
        columns = config.over(Columns(groups=IDENTITY_GROUPS))
        samples, _ = read_samples(
            to_frame(few.samples, few.splits, few.samples.ids), columns, "synthetic"
        )
        counts = {"train": config.n_train, "val": config.n_val, "test": config.n_test}
    else:
        table = read_table(config)
        samples, splits = read_samples(table.frame, table.columns, table.source)
        counts = dict(Counter(splits.tolist()))
    return Outline(samples.attributes, tuple(samples.groups), counts)
