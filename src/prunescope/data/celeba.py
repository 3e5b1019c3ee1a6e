"""CelebA as its authors distribute it.

The folder holds ``list_attr_celeba.txt``, ``list_eval_partition.txt``, ``img_align_celeba/`` and,
optionally, ``identity_CelebA.txt``: all side by side, or in ``Anno``, ``Eval`` and ``Img`` as on
the official drive. Labels are 1 (true) and −1 (false); the partition is 0 train, 1 val, 2 test.
The aligned images have 178×218 pixels, of which the centred 178×178 are used, as everywhere.

Source: Liu, Luo, Wang, Tang, "Deep Learning Face Attributes in the Wild", ICCV 2015.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from prunescope.data.config import IDENTITY_GROUPS, Columns, DataConfig
from prunescope.data.images import FileImages
from prunescope.data.tables import Table
from prunescope.errors import DataError, first_line
from prunescope.inputs import UNREADABLE, read_bytes

ATTRIBUTES_NAME = "list_attr_celeba.txt"
_PARTITION_NAME = "list_eval_partition.txt"
_IDENTITY_NAME = "identity_CelebA.txt"
_IMAGES_NAME = "img_align_celeba"
_PLACES = ("", "Anno", "Eval", "Img")


def is_celeba(folder: Path) -> bool:
    """Tell whether a folder is laid out as CelebA."""
    return _find(folder, ATTRIBUTES_NAME) is not None


def read_celeba(folder: Path, config: DataConfig) -> Table:
    """Read the lists of CelebA and look up its images.

    The groups are by default Male, Young, Chubby and Pale_Skin, the cluster is the identity where
    its list is there.

    Raises
    ------
    DataError
        A list is missing or damaged, or an image has no line in one of them.
    """
    attributes_path = _require(folder, ATTRIBUTES_NAME)
    names, frame = _read_attributes(attributes_path)
    lists = {"split": _require(folder, _PARTITION_NAME), "identity": _find(folder, _IDENTITY_NAME)}
    for column, path in lists.items():
        if path is None:
            continue
        values = _read_list(path, {"image": pl.String, column: pl.Int64}, skip=0)
        if values["image"].is_duplicated().any():
            repeated = values["image"].filter(values["image"].is_duplicated())[0]
            raise DataError(f"{path} names {repeated} twice: expected one line per image")
        frame = frame.join(values, on="image", how="left", maintain_order="left")
        if (absent := frame.filter(pl.col(column).is_null())).height:
            raise DataError(f"{path} has no line for {absent['image'][0]}: expected all images")
    stated = Columns(
        attributes=names,
        groups=tuple(name for name in IDENTITY_GROUPS if name in names),
        cluster="identity" if "identity" in frame.columns else None,
    )
    root = config.images.expanduser() if config.images else _require(folder, _IMAGES_NAME)
    source = str(attributes_path)
    images = FileImages.find(root, frame["image"], source)
    return Table(folder.resolve().name, source, frame, config.over(stated), images)


def _read_attributes(path: Path) -> tuple[tuple[str, ...], pl.DataFrame]:
    """Read a line with the number of images, one with the attributes, then one per image."""
    count, line, *_ = (*_content(path).decode("utf-8", "replace").split("\n", 2), "")
    count, names = count.strip(), tuple(line.split())
    if not count.isdecimal() or not names:
        raise DataError(
            f"{path}: expected the number of images in line 1 and the attributes in line 2, "
            f"found {count[:40]!r}"
        )
    frame = _read_list(path, {"image": pl.String} | dict.fromkeys(names, pl.Int64), skip=2)
    if frame.height != int(count):
        raise DataError(f"{path} is cut off: it announces {count} images and lists {frame.height}")
    for name in names:
        wrong = ~frame[name].is_in([-1, 1]) | frame[name].is_null()
        if wrong.any():
            row = int(wrong.arg_true()[0])
            raise DataError(
                f"{path}: row {row + 1} ({frame['image'][row]}) has {frame[name][row]} for {name}: "
                "expected 1 or -1"
            )
    return names, frame.with_columns(pl.col(name) == 1 for name in names)


def _read_list(path: Path, schema: dict[str, type[pl.DataType]], skip: int) -> pl.DataFrame:
    """Read lines of values that are aligned with spaces."""
    text = _content(path).replace(b"\r\n", b"\n").split(b"\n", skip)[-1]
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    try:
        return pl.read_csv(
            text.replace(b" \n", b"\n"), has_header=False, separator=" ", schema=schema
        )
    except UNREADABLE as error:
        raise DataError(
            f"{path} cannot be read: expected {len(schema)} values in each line; "
            f"{first_line(error)}"
        ) from error


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def _find(folder: Path, name: str) -> Path | None:
    """Return where a list or folder of CelebA lies, if anywhere."""
    places = (folder / place / name for place in _PLACES)
    return next((path for path in places if path.exists()), None)


def _require(folder: Path, name: str) -> Path:
    """Return where a list or folder of CelebA lies."""
    path = _find(folder, name)
    if path is None:
        raise DataError(
            f"{folder} looks like CelebA but has no {name}: expected it there or in one of "
            f"{', '.join(_PLACES[1:])}"
        )
    return path
