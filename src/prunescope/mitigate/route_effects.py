"""What a route and overrides do to a pruned model: before and after, on one split."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prunescope.mitigate.comparison import judge
from prunescope.mitigate.comparison_result import Comparison
from prunescope.mitigate.measures import Candidate
from prunescope.mitigate.overrides import Overrides
from prunescope.mitigate.risk import Score
from prunescope.mitigate.route_result import Route
from prunescope.mitigate.splits import side_by_side
from prunescope.predictions import Predictions

ROUTED = "routed"
OVERRIDDEN = "overrides"
BOTH = "routed+overrides"

LOOKED = "a person, who looked"


def judge_route(
    found: Route,
    pruned: Predictions,
    dense: Predictions,
    *,
    score: Score | None = None,
    overrides: Overrides | None = None,
    **settings: Any,  # noqa: ANN401 - of the audit
) -> Comparison | None:
    """Set the pruned model beside the routed one, the one with answers of people, and both.

    Labels that people called wrong are corrected for all of them.

    Parameters
    ----------
    found : Route
    pruned, dense : Predictions
        On the split to judge by.
    score : Forecast or array (N, A), optional
        Of its samples, where the route was not chosen by a score that has a name.
    overrides : Overrides, optional
        What is said of other samples is passed over.
    **settings
        Of the audit.

    Returns
    -------
    Comparison or None
        None where there is nothing to set beside: the route sends nothing, and nobody gave an
        answer.

    Raises
    ------
    DataError
        Predictions do not fit together.
    ConfigError
        The score is not the route's.
    """
    pruned, dense = side_by_side(pruned, dense)
    review = None if overrides is None else overrides.on(pruned.samples)
    if review is not None:
        pruned, dense = review.correct(pruned), review.correct(dense)
    candidates = []
    if found.info.sends:
        test = found.apply(pruned, dense, score)
        candidates.append(Candidate(ROUTED, test, found.info.needs, found.price(),
                                    f"the riskiest answers to {found.info.to}"))  # fmt: skip
    if review is not None and review.n_answers:
        n = review.n_answers
        told = "1 answer of a person" if n == 1 else f"{n:,} answers of people"
        candidates.append(
            Candidate(OVERRIDDEN, review.settle(pruned, OVERRIDDEN), LOOKED, told, told)
        )
        for routed in candidates[:-1]:
            candidates.append(
                replace(
                    routed,
                    name=BOTH,
                    test=review.settle(routed.test, BOTH),
                    needs=f"{LOOKED}; {routed.needs}",
                    cost=f"{told}, not to be sent; {routed.cost}",
                    summary=f"{told}; {routed.summary}",
                )
            )
    return judge(dense, pruned, candidates, **settings) if candidates else None
