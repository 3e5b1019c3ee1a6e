"""What pruning would break, from the dense model alone, and how far to believe it.

A *scorer* gives every answer of the dense model a *risk* of flipping. Its *tier* names what it may
look at: A the dense model's answers and base rates, B the model itself, C a little training. Most
scorers have an *outlook*: the margin that they expect of the sparse model, with a spread. From it
follow the probability of a flip and what attributes and groups are in for. Labels of the samples
that are forecast are never looked at for the risk.
"""

import sys
from types import ModuleType

from prunescope.forecast.calibration import Calibration
from prunescope.forecast.compose import forecast
from prunescope.forecast.criteria import ATTRIBUTE_SCHEMA
from prunescope.forecast.judge import score
from prunescope.forecast.result import SAMPLE_SCHEMA, Forecast, ForecastInfo
from prunescope.forecast.score_result import SCORE_SCHEMA, Score
from prunescope.forecast.scorers import BEST, SCORERS, Scorer, Tier

__all__ = [
    "ATTRIBUTE_SCHEMA",
    "BEST",
    "SAMPLE_SCHEMA",
    "SCORERS",
    "SCORE_SCHEMA",
    "Calibration",
    "Forecast",
    "ForecastInfo",
    "Score",
    "Scorer",
    "Tier",
    "forecast",
    "score",
]


class _CallablePackage(ModuleType):
    """Lets ``prunescope.forecast(...)`` be called, though ``prunescope.forecast`` is a package."""

    __call__ = staticmethod(forecast)


sys.modules[__name__].__class__ = _CallablePackage
