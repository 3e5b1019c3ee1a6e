"""Keeping libraries from logging what is no concern of who runs them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

TORCHAO = ("torchao", "torch.utils._pytree")
"""Where it is logged, as torchao is imported, which GPU libraries it lacks and what is deprecated
in it. transformers imports it where it is installed."""


@contextmanager
def only_errors(*names: str) -> Iterator[None]:
    """Let some loggers log errors alone.

    Examples
    --------
    >>> with only_errors("prunescope.example"):
    ...     logging.getLogger("prunescope.example").isEnabledFor(logging.WARNING)
    False
    """
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
