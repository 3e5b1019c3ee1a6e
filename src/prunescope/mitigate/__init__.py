"""What helps: measures against what pruning broke, each with its price and its proof.

*Adjustments* move thresholds, add offsets to the logits of classes, or calibrate; *routing* sends
the riskiest answers to the dense model or to a person; *search* prunes as far as a policy allows;
*fine-tuning* trains the pruned model again with another aim. All are fitted on a validation split
and judged on another one, where `compare` puts them side by side.
"""

from prunescope.mitigate.adjust import THRESHOLD_SCHEMA, FittedAdjustment, fit_adjustment
from prunescope.mitigate.calibrate import CALIBRATIONS
from prunescope.mitigate.certificate import Certificate, certify
from prunescope.mitigate.comparison import compare, judge
from prunescope.mitigate.comparison_result import (
    EFFECT_SCHEMA,
    Comparison,
    ComparisonInfo,
    MeasureInfo,
)
from prunescope.mitigate.curves import CURVE_SCHEMA
from prunescope.mitigate.measures import MEASURES, Candidate, Measure, Scene, measures_for
from prunescope.mitigate.offsets import CLASS_CRITERIA, CLASS_FLOORS, ClassCriterion
from prunescope.mitigate.overrides import Overrides, OverridesInfo
from prunescope.mitigate.risk import OWN_MARGIN
from prunescope.mitigate.route_effects import judge_route
from prunescope.mitigate.route_result import Route, RouteInfo
from prunescope.mitigate.router import route
from prunescope.mitigate.search import ORDERS, SPARSITIES, highest_sparsity
from prunescope.mitigate.search_result import TRIAL_SCHEMA, Choice, Search, SearchInfo
from prunescope.mitigate.thresholds import CRITERIA, FLOORS, Criterion, Floor

__all__ = [
    "CALIBRATIONS",
    "CLASS_CRITERIA",
    "CLASS_FLOORS",
    "CRITERIA",
    "CURVE_SCHEMA",
    "EFFECT_SCHEMA",
    "FLOORS",
    "MEASURES",
    "ORDERS",
    "OWN_MARGIN",
    "SPARSITIES",
    "THRESHOLD_SCHEMA",
    "TRIAL_SCHEMA",
    "Candidate",
    "Certificate",
    "Choice",
    "ClassCriterion",
    "Comparison",
    "ComparisonInfo",
    "Criterion",
    "FittedAdjustment",
    "Floor",
    "Measure",
    "MeasureInfo",
    "Overrides",
    "OverridesInfo",
    "Route",
    "RouteInfo",
    "Scene",
    "Search",
    "SearchInfo",
    "certify",
    "compare",
    "fit_adjustment",
    "highest_sparsity",
    "judge",
    "judge_route",
    "measures_for",
    "route",
]
