"""The result of routing, how it is applied, and how it is kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from prunescope.errors import ConfigError, DataError
from prunescope.mitigate.certificate import Certificate
from prunescope.mitigate.curves import CHOSEN, CURVE_SCHEMA
from prunescope.mitigate.overrides import Overrides, OverridesInfo
from prunescope.mitigate.risk import Score, To, check_given
from prunescope.mitigate.routing import NOTHING, Routed
from prunescope.notebook import rendered
from prunescope.predictions import Predictions
from prunescope.result_folder import ResultFolder


class RouteInfo(BaseModel):
    """What a route is: all that is needed to apply it.

    An answer is sent where its risk is at least `cut`; None: nothing could be proved or no share
    is enough, for the `reason` given. For score ``own-margin`` the risk is -abs(logit - threshold)
    of the pruned model; where samples are sent `whole`, all answers have the highest risk of the
    sample's. `sent` is the share of answers on the validation split. `overrides` tells of those
    that labels were corrected by; the cut was chosen as if nobody had given an answer.

    History of the format: 1 (0.1.0) first.
    """

    model_config = ConfigDict(frozen=True)

    format_version: Literal[1] = 1
    model: str
    dense: str
    to: To
    score: str
    whole: bool = False
    needs: str
    chosen_by: str
    cut: float | None
    sent: float | None
    reason: str = ""
    certificates: tuple[Certificate, ...] = ()
    macs: tuple[float, float] | None = None
    overrides: OverridesInfo | None = None

    @property
    def sends(self) -> bool:
        """Whether there is a cut that may send something."""
        return self.cut is not None and self.cut < NOTHING


FILES = ResultFolder(
    "route",
    "prunescope mitigate route",
    "route.json",
    RouteInfo,
    {"curve.parquet": CURVE_SCHEMA},
)


@dataclass(frozen=True)
class Route:
    """Which answers of a pruned model to send elsewhere, and what that leaves of the damage.

    Parameters
    ----------
    info : RouteInfo
    curve : polars.DataFrame
        Columns as in `CURVE_SCHEMA`.
    """

    info: RouteInfo
    curve: pl.DataFrame

    def apply(
        self,
        pruned: Predictions,
        dense: Predictions,
        score: Score | None = None,
        overrides: Overrides | None = None,
    ) -> Predictions:
        """Return the predictions of both together on any samples, and of people.

        Parameters
        ----------
        pruned, dense : Predictions
            On the same samples.
        score : Forecast or array (N, A), optional
            Of these samples, where the route was not chosen by a score that has a name.
        overrides : Overrides, optional
            What people said of these samples: it stands whether an answer is sent or not, and
            corrects their labels.

        Raises
        ------
        DataError
            They are other models' predictions, or the overrides are about other samples.
        ConfigError
            There is no cut; or no score, or one that the cut was not chosen by.
        """
        if (pruned.name, dense.name) != (self.info.model, self.info.dense):
            raise DataError(
                f"the route was chosen for {self.info.model!r} and {self.info.dense!r}, not for "
                f"{pruned.name!r} and {dense.name!r}: risks of other models lie elsewhere"
            )
        if self.info.cut is None:
            raise ConfigError(f"the route has no cut: {self.info.reason}")
        check_given(self.info.score, score)
        score = self.info.score if score is None else score
        name, review = f"{pruned.name}+route", None
        if overrides is not None:
            overrides.check(pruned)
            pruned, dense, review = overrides.correct(pruned, dense)
        routed = Routed.of(pruned, dense, score, self.info.to, whole=self.info.whole)
        both = routed.answers(self.info.cut, name)
        return both if review is None else review.settle(both, f"{name}+overrides")

    def price(self) -> str:
        """Say in words what is sent, on the test split if there is one."""
        if self.info.sent is None:
            return "nothing can be sent"
        at = self.curve.filter(order=CHOSEN).row(-1, named=True)
        told = f"{at['sent']:.1%} of the answers sent, of {at['samples']:.0%} of the samples"
        if at["cost"] is None:
            return told
        return f"{told}: {at['cost']:.2f} × the dense model's multiplications"

    def save(self, folder: str | Path) -> None:
        """Write route.json and curve.parquet to a folder."""
        FILES.save(folder, self.info, self.curve)

    @classmethod
    def load(cls, folder: str | Path) -> Route:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            A file is absent or damaged.
        """
        info, [curve] = FILES.load(folder)
        return cls(info, curve)

    def __repr__(self) -> str:
        return f"Route({self.info.model!r} to {self.info.dense!r}: {self.price()})"

    def _repr_html_(self) -> str:
        """Show in a notebook what is left of the damage, share by share."""
        return rendered(repr(self), self.curve)
