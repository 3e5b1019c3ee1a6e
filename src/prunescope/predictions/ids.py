"""Ids: where they stand among others, what they hash to, and when two mean the same."""

from __future__ import annotations

from itertools import combinations
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

ABSENT = -1
"""Place of an id that is not among others."""

STYLES = {
    "the folder before the name": (r"^.*[/\\]", ""),
    "the suffix of a file": (r"(?i)\.(jpe?g|png|webp|bmp|gif|tiff?)$", ""),
    "'.0' behind a whole number": (r"\.0$", ""),
    "zeros before a number": (r"^0+(\d)", "$1"),
}
"""What some tools write around an id, in words → as a pattern, and what takes its place."""


GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2⁶⁴ over the golden ratio, odd: what SplitMix64 goes on by."""

WORD = 8
"""Bytes that are hashed at once."""

Hashes: TypeAlias = NDArray[np.uint64]


def places_of(ids: pl.Series, among: pl.Series) -> NDArray[np.int64]:
    """Return where each id (N,) stands among others, which are unique; `ABSENT` where it does not.

    Examples
    --------
    >>> places_of(pl.Series(["c", "x", "a"]), pl.Series(["a", "b", "c"])).tolist()
    [2, -1, 0]
    """
    places = pl.DataFrame({"id": among}).with_row_index("row")
    joined = pl.DataFrame({"id": ids}).join(places, on="id", how="left", maintain_order="left")
    found: NDArray[np.int64] = joined["row"].cast(pl.Int64).fill_null(ABSENT).to_numpy()
    return found


def mix(numbers: Hashes) -> Hashes:
    """Turn numbers into others that look random, one to one: the last steps of SplitMix64.

    References
    ----------
    Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * np.uint64(factor)
    return numbers ^ (numbers >> np.uint64(31))


def hash_texts(texts: pl.Series, salt: int = 0) -> Hashes:
    """Hash texts (N,), none of them null: the same on every machine and with any library.

    From their length in bytes on, eight bytes after another are mixed in, zeros behind the last.

    Parameters
    ----------
    texts : polars.Series
        Of whatever can be written as text: an integer hashes as its digits.
    salt : int
        Another one gives other hashes.

    Examples
    --------
    >>> bool((hash_texts(pl.Series([7, 8])) == hash_texts(pl.Series(["7", "8"]))).all())
    True
    """
    padded = (texts.cast(pl.String) + "\0" * WORD).cast(pl.Binary)
    sizes = padded.bin.size().to_numpy().astype(np.uint64) - np.uint64(WORD)
    hashes = mix(sizes + np.uint64(salt << 32) + GOLDEN)
    for at in range(0, int(sizes.max(initial=0)), WORD):
        goes_on = sizes > at
        words = padded.filter(pl.Series(goes_on)).bin.slice(at, WORD)
        read = words.bin.reinterpret(dtype=pl.UInt64, endianness="little").to_numpy()
        hashes[goes_on] = mix(hashes[goes_on] ^ read) + GOLDEN
    return mix(hashes)


def explain(mine: pl.Series, theirs: pl.Series, my_name: str, their_name: str) -> str:
    """Say which part of the ids of two files keeps them apart, or nothing where it is another.

    At least half of the ids of the shorter file must match without it.

    Examples
    --------
    >>> dense, sparse = pl.Series(["img/1.png", "img/2.png"]), pl.Series(["2", "1"])
    >>> explain(dense, sparse, "dense", "sparse")
    ". They match without the folder before the name and the suffix of a file: drop that from the
    ids of dense, so that 'img/1.png' becomes '1'"
    >>> explain(pl.Series(["1"]), pl.Series(["1", "2"]), "a part", "the whole")
    ''
    """
    if _match(mine, theirs):  # some are not there, whatever is written around them
        return ""
    for n_styles in range(1, len(STYLES) + 1):
        for styles in combinations(STYLES, n_styles):
            bare_mine, bare_theirs = _without(mine, styles), _without(theirs, styles)
            if not _match(bare_mine, bare_theirs):
                continue
            changed = [
                (name, ids.filter(ids != bare)[0], bare.filter(ids != bare)[0])
                for name, ids, bare in (
                    (my_name, mine, bare_mine),
                    (their_name, theirs, bare_theirs),
                )
                if (ids != bare).any()
            ]
            names = " and ".join(name for name, _, _ in changed)
            _, before, after = changed[0]
            return (
                f". They match without {' and '.join(styles)}: drop that from the ids of {names}, "
                f"so that {before!r} becomes {after!r}"
            )
    return ""


def _match(mine: pl.Series, theirs: pl.Series) -> bool:
    """Tell whether half of the shorter file's ids match, and none repeats."""
    if mine.n_unique() < len(mine) or theirs.n_unique() < len(theirs):
        return False
    return 2 * int(mine.is_in(theirs.implode()).sum()) >= min(len(mine), len(theirs))


def _without(ids: pl.Series, styles: tuple[str, ...]) -> pl.Series:
    """Drop what some tools write around ids."""
    for style in styles:
        ids = ids.str.replace(*STYLES[style])
    return ids
