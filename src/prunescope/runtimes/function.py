"""Any callable as a model: images in, logits out."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.data.dataset import Dataset
from prunescope.errors import ConfigError, DataError, first_line, one_of
from prunescope.runtimes.asking import OnBatch, Pixels, ask_all, check_scores


def imported(path: str, what: str) -> Callable[..., Any]:
    """Import the callable that ``module:name`` names. This runs that module's code.

    Raises
    ------
    ConfigError
        It cannot be imported, or is no callable.
    """
    module_name, _, name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"cannot import {module_name!r} of {path!r}: {error}; expected module:{what} with a "
            "module that Python finds (is its folder in PYTHONPATH?)"
        ) from error
    found: Callable[..., Any] | None = getattr(module, name, None)
    if not callable(found):
        callables = [known for known, value in vars(module).items() if callable(value)]
        raise ConfigError(one_of(f"{what} of {module_name}", name, callables))
    return found


def makes_models(call: Callable[..., Any]) -> bool:
    """Tell a factory, which can be called as ``call(n_outputs=A)``, from what answers images.

    Examples
    --------
    >>> makes_models(lambda n_outputs, width=8: ...), makes_models(lambda images: ...)
    (True, False)
    """
    try:
        inspect.signature(call).bind(n_outputs=1)
    except (TypeError, ValueError):  # other parameters; or written in C, without a signature
        return False
    return True


@dataclass(frozen=True)
class Function:
    """A callable that answers images.

    Parameters
    ----------
    name : str
        For messages.
    call : callable
        Gets a NumPy array (B, 3, H, W) of float32 in [0, 1], returns scores (B, A): an array, a
        tensor of any library, or nested lists.

    Examples
    --------
    >>> brightness = Function("brightness", lambda images: images.mean(axis=(2, 3)))
    """

    name: str
    call: Callable[[NDArray[np.float32]], Any]

    def infer(self, dataset: Dataset, *, progress: OnBatch | None = None) -> NDArray[np.float64]:
        """Return the scores (N, A) of all images, in the order of the data set.

        Raises
        ------
        DataError
            The function fails, or gives something else than a row of A numbers per image.
        """
        n_attributes = len(dataset.samples.attributes)

        def answer(pixels: Pixels) -> NDArray[Any]:
            n = len(pixels)
            try:
                given = self.call(pixels.astype(np.float32) / np.float32(255))
                scores = _array(given)
            except Exception as error:  # whatever it raises
                raise DataError(
                    f"{self.name} fails on images of shape {pixels.shape}, floats in [0, 1]: "
                    f"{first_line(error, kind=True)}"
                ) from error
            return check_scores(scores, n, n_attributes, f"what {self.name} returns")

        return ask_all(dataset, answer, progress=progress)


def _array(given: Any) -> NDArray[np.float64]:  # noqa: ANN401 - of any library
    """Turn an answer into an array; a tensor of torch is brought to the CPU without its history."""
    if hasattr(given, "detach"):
        given = given.detach().cpu().double()
    return np.asarray(given, dtype=np.float64)
