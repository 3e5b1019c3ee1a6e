"""Sketches of sets of ids: small enough for any file, and enough to tell whether two sets overlap.

A bottom-k sketch (Cohen, 1997) keeps the k least of the hashed ids: a random sample of the set, and
the same one wherever it is taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from hashlib import blake2b

SIZE = 128
"""Ids that a sketch keeps: sets that share 5% of theirs are missed in 1 of 700 cases."""


def sketch(ids: Iterable[str], size: int = SIZE) -> tuple[str, ...]:
    """Return the least of the hashed ids, in order.

    Examples
    --------
    >>> sketch(["a", "b"]) == sketch(["b", "a"]), len(sketch(map(str, range(1000))))
    (True, 128)
    """
    return tuple(sorted(set(_hashed(ids)))[:size])


def share_among(sketched: Collection[str], ids: Iterable[str]) -> float:
    """Return the share of a sketch's ids that are among others, in [0, 1].

    It estimates that share of the whole set, and is exactly 1 where all are there.

    Examples
    --------
    >>> share_among(sketch(["a", "b"]), ["b", "c"]), share_among((), ["a"])
    (0.5, 0.0)
    """
    if not sketched:
        return 0.0
    return len(set(sketched).intersection(_hashed(ids))) / len(sketched)


def _hashed(ids: Iterable[str]) -> Iterable[str]:
    return (blake2b(one.encode(), digest_size=8).hexdigest() for one in ids)
