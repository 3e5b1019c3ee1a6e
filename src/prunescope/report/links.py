"""Whether uncertainty and entanglement foretell bias, claiming no more than the tests do."""

from __future__ import annotations

import polars as pl

from prunescope.audit import Audit
from prunescope.audit.links import link_points
from prunescope.audit.links import links as tested
from prunescope.report.records import Link, LinkPlot, LinkPoint, Links
from prunescope.report.words import noun_of
from prunescope.verdict.glossary import GLOSSARY
from prunescope.verdict.numbers import CORRELATION

MOST_POINTS = 200
"""Points that a plot draws at most."""

LARGE = 0.1
"""Correlation from which what models alone explain is worth a word."""

GROWN = {
    "uncertainty": "the more uncertain answers became",
    "interdependence": "the more answers came to follow from one another",
}
"""Cause → more of it, in words."""

BIASED = {
    "bias_amplification": "answers came to lean to a side",
    "rare_value_ratio": "the rare-value ratio moved from 1",
}
"""Effect → what happens further with more of it."""


OF_CLASSES = (
    "No link could be tested: where one class is chosen, neither uncertainty nor entanglement is a "
    "figure of single classes."
)


def links(audit: Audit, alpha: float) -> Links:
    """Return the links of an audit, and what they tell; a link is told from chance if q ≤ alpha."""
    if noun_of(audit) == "class":
        return Links(texts=[OF_CLASSES], links=[], plots=[])
    members = [name for population in audit.info.populations for name in population.members]
    found = [Link(**row) for row in tested(audit.table, members).to_dicts()]
    points = link_points(audit.table, members)
    together = [link for link in found if link.model is None and link.status == "ok"]
    return Links(
        texts=[sentence(link, alpha) for link in together] or [_nothing(found)],
        links=found,
        plots=[_plot(link, points) for link in together],
    )


def _plot(link: Link, points: pl.DataFrame) -> LinkPlot:
    """Return the points of one link, thinned out evenly where there are very many."""
    rows = points.filter(cause=link.cause, effect=link.effect)
    drawn = rows.gather_every(-(-rows.height // MOST_POINTS))
    return LinkPlot(
        cause=link.cause,
        effect=link.effect,
        n=rows.height,
        points=[LinkPoint(**row) for row in drawn.drop("cause", "effect").to_dicts()],
    )


def sentence(link: Link, alpha: float) -> str:
    """Tell what one link over all models amounts to.

    >>> found = {"rho": 0.6, "expected": 0.2, "p_value": 0.001, "q_value": 0.004, "n": 80}
    >>> about = {"model": None, "cause": "uncertainty", "effect": "rare_value_ratio"}
    >>> link = Link(**about, **found, n_attributes=40, status="ok", reason=None)
    >>> sentence(link, 0.05).split(" (")[0]
    'The more uncertain answers became, the further the rare-value ratio moved from 1'
    >>> sentence(link, 0.001).split(" (")[0]
    'No link between uncertainty and rare-value ratio can be told from chance'
    """
    rho, expected = link.rho or 0.0, link.expected or 0.0
    numbers = f"rank correlation {CORRELATION.bare(rho)}, q {link.q_value or 0:.2g}"
    if abs(expected) >= LARGE:
        numbers += f"; {CORRELATION.bare(expected)} comes from differences between models alone"
    if link.q_value is None or link.q_value > alpha:
        cause, effect = (GLOSSARY[name].label.lower() for name in (link.cause, link.effect))
        return f"No link between {cause} and {effect} can be told from chance ({numbers})."
    cause = GROWN[link.cause].capitalize()
    if rho > expected:
        return f"{cause}, the further {BIASED[link.effect]} ({numbers})."
    return f"{cause}, the less far {BIASED[link.effect]}, against the claim ({numbers})."


def _nothing(found: list[Link]) -> str:
    """Say why no link could be tested."""
    reasons = [link.reason for link in found if link.model is None and link.reason]
    return f"No link could be tested: {reasons[0]}."
