"""Calibrated risk: from a score that only ranks to a probability of flipping."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from prunescope.errors import DataError
from prunescope.metrics.statistics import Floats

FEWEST_FLIPS = 20


class Calibration(BaseModel):
    """A rising function from risk to probability, fitted to flips that were seen.

    `names` are the pruned models whose flips it was fitted to, `n` the answers, `n_flips` those of
    them that flipped; `risks` and `probabilities` are its corners, between which it is straight.
    """

    model_config = ConfigDict(frozen=True)

    names: tuple[str, ...]
    n: int
    n_flips: int
    risks: tuple[float, ...]
    probabilities: tuple[float, ...]

    @classmethod
    def fit(cls, risk: Floats, flips: NDArray[np.bool_], names: Sequence[str]) -> Calibration:
        """Fit by isotonic regression.

        Parameters
        ----------
        risk : array (N, A)
        flips : array (N, A) of bool
            Which answers flipped; those of several models stand below each other.
        names : sequence of str
            Of these models.

        Raises
        ------
        DataError
            Too few answers flipped.

        Examples
        --------
        >>> risk = np.repeat([[0.0], [1.0]], 100, axis=0)
        >>> flips = np.arange(200)[:, None] >= 160
        >>> fitted = Calibration.fit(risk, flips, ["small"])
        >>> [round(float(p), 2) for p in fitted(np.array([0.0, 0.5, 9.0]))]
        [0.0, 0.2, 0.4]
        """
        from sklearn.isotonic import IsotonicRegression

        n_flips = int(flips.sum())
        if n_flips < FEWEST_FLIPS:
            raise DataError(
                f"{', '.join(names)}: {n_flips} answers flip on the validation split: expected at "
                f"least {FEWEST_FLIPS} to calibrate on; prune further, or give more samples"
            )
        fitted = IsotonicRegression(y_min=0, y_max=1).fit(risk.ravel(), flips.ravel())
        return cls(
            names=tuple(names),
            n=flips.size,
            n_flips=n_flips,
            risks=tuple(map(float, fitted.X_thresholds_)),
            probabilities=tuple(map(float, fitted.y_thresholds_)),
        )

    def __call__(self, risk: Floats) -> Floats:
        """Return probabilities (N, A)."""
        return np.interp(risk, self.risks, self.probabilities).astype(np.float32)
