"""Every error that prunescope raises on purpose.

::

    PrunescopeError            the root: catch this one to catch them all
    ├── DataError              a file, row, column, image or label is not what it should be
    │   └── ImageError         an image is missing or cannot be decoded
    ├── ConfigError            an option or setting has a value that makes no sense
    ├── CheckpointError        a saved model is absent, damaged, or of another architecture
    ├── TrainingError          training cannot go on (the loss is not finite, say)
    ├── ExportError            a model cannot be written in another form, or answers otherwise in it
    └── MissingExtraError      an optional dependency is not installed

    PrunescopeWarning          the result stands, but probably is not what was wanted

The message of each says what was expected, what came, and what to do next. The command line prints
it without a traceback and exits with code 2. The reasons that pydantic has for refusing a value are
worded by `reasons`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "ExportError",
    "ImageError",
    "MissingExtraError",
    "PrunescopeError",
    "PrunescopeWarning",
    "TrainingError",
    "first_line",
    "one_of",
    "outside_share",
    "percent_as_share",
    "reasons",
    "settings_of",
    "shorten",
]


class PrunescopeError(Exception):
    """The root of all errors that prunescope raises on purpose."""


class DataError(PrunescopeError):
    """A file, row, column or label is not what it should be."""


class ImageError(DataError):
    """An image is missing, lies outside the data folder, or cannot be decoded."""


class ConfigError(PrunescopeError):
    """An option or a setting has a value that makes no sense."""


class CheckpointError(PrunescopeError):
    """A saved model is absent, damaged, or of another architecture."""


class TrainingError(PrunescopeError):
    """Training cannot go on."""


class ExportError(PrunescopeError):
    """A model cannot be written in another form, or does not answer the same in it."""


class MissingExtraError(PrunescopeError):
    """An optional dependency is needed and not installed.

    Examples
    --------
    >>> print(MissingExtraError("training a model", "train"))
    training a model needs an optional dependency: pip install ...[train]'
    """

    def __init__(self, purpose: str, extra: str) -> None:
        from prunescope.extras import install_command  # reads what pip noted

        super().__init__(f"{purpose} needs an optional dependency: {install_command(extra)}")


class PrunescopeWarning(UserWarning):
    """The result stands, but probably is not what was wanted."""


def shorten(names: Iterable[object], limit: int = 8) -> str:
    """List names for a message, at most `limit` of them.

    Examples
    --------
    >>> shorten(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    listed = [str(name) for name in names]
    rest = len(listed) - limit
    shown = ", ".join(listed[:limit])
    return f"{shown} and {rest} more" if rest > 0 else shown


def first_line(error: BaseException, *, kind: bool = False) -> str:
    r"""Return the first line of what a library says: of many, or none, the rest helps nobody.

    Parameters
    ----------
    error : BaseException
        Where it says nothing, its kind stands in.
    kind : bool
        Whether to name its kind before, as where code of somebody's may have raised anything.

    Examples
    --------
    >>> first_line(ValueError("no such shape\n  at line 3"))
    'no such shape'
    >>> first_line(KeyError("a"), kind=True), first_line(OSError())
    ("KeyError: 'a'", 'OSError')
    """
    name = type(error).__name__
    lines = str(error).strip().splitlines()
    if not lines:
        return name
    return f"{name}: {lines[0]}" if kind else lines[0]


def one_of(what: str, value: str, choices: Iterable[str]) -> str:
    """Word the message for a name that is not among its choices, nearest first.

    Examples
    --------
    >>> one_of("method", "gmp", ["one-shot", "gmp-ri", "gmp-pt"])
    "unknown method 'gmp': did you mean gmp-ri, gmp-pt? choose one of one-shot, gmp-ri, gmp-pt"
    >>> one_of("group", "hat", [])
    "unknown group 'hat': there is none to choose"
    """
    names = list(choices)
    if not names:
        return f"unknown {what} {value!r}: there is none to choose"
    near = difflib.get_close_matches(value, names, n=3)
    hint = f" did you mean {', '.join(near)}?" if near else ""
    return f"unknown {what} {value!r}:{hint} choose one of {shorten(names, 40)}"


@contextmanager
def settings_of(what: str) -> Iterator[None]:
    """Turn the errors of a pydantic model that is made inside into one `ConfigError`.

    Examples
    --------
    >>> import pydantic
    >>> Size = pydantic.create_model("Size", pixels=(int, ...))
    >>> with settings_of("size"):
    ...     Size(pixels="many")
    Traceback (most recent call last):
    prunescope.errors.ConfigError: size: pixels: Input should be a valid integer, unable to parse
    string as an integer (got 'many')
    """
    from pydantic import ValidationError  # here, for the command line to print help without it

    try:
        yield
    except ValidationError as error:
        raise ConfigError(f"{what}: {reasons(error, what)}") from error


def reasons(error: ValidationError, what: str) -> str:
    """Tell in one line what pydantic finds wrong with the fields of something."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or what}: {item['msg'].removeprefix('Value error, ')} "
        f"(got {item['input']!r}{_meant_as_share(item)})"
        for item in error.errors()
    )


def percent_as_share(given: object) -> str:
    """Say which share a number is, if it is one that looks like percent; else nothing.

    Examples
    --------
    >>> percent_as_share(95.0), percent_as_share(0.95)
    ('95 percent is 0.95', '')
    """
    if isinstance(given, int | float) and 1 < given < 100:
        number = Decimal(str(given)).normalize()
        return f"{number:f} percent is {number / 100:f}"
    return ""


def outside_share(what: str, value: float) -> str:
    """Word the message for a number that should lie in (0, 1).

    Examples
    --------
    >>> outside_share("sparsity", 95.0), outside_share("sparsity", 1.0)
    ('sparsity 95 is outside (0, 1): 95 percent is 0.95', 'sparsity 1 is outside (0, 1)')
    """
    share = percent_as_share(value)
    return f"{what} {value:g} is outside (0, 1){': ' if share else ''}{share}"


def _meant_as_share(item: ErrorDetails) -> str:
    limits = {item.get("ctx", {}).get(name) for name in ("lt", "le")}
    share = percent_as_share(item["input"]) if 1.0 in limits else ""
    return f"; {share}" if share else ""
