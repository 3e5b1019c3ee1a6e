"""Keeping libraries from troubling who runs them: by what they log, or by being broken."""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from prunescope.errors import PrunescopeWarning

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


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers from writing to the terminal: what matters is raised."""
    from transformers.utils import logging as transformers_logging

    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def hide_if_broken(package: str) -> None:
    """Let libraries that would import a package where there is one do without one that is broken.

    A torchvision that was built for another torch raises as soon as it is imported, and with it all
    of transformers. Python takes None in ``sys.modules`` for a package that is not installed.

    Warns
    -----
    PrunescopeWarning
        It is broken.

    Examples
    --------
    >>> hide_if_broken("a_package_that_nobody_has")
    """
    try:
        importlib.import_module(package)
    except ImportError as error:
        if error.name == package:
            return  # not installed, or hidden already
        reason: Exception = error
    except Exception as error:
        reason = error
    else:
        return
    sys.modules[package] = None  # type: ignore[assignment]
    warnings.warn(
        f"{package} is installed and cannot be imported ({type(reason).__name__}: {reason}): it "
        "is left out; install the version that fits your torch, or uninstall it",
        PrunescopeWarning,
        stacklevel=2,
    )
