"""The sentences about what changed without being better or worse: flips, and interdependence."""

from __future__ import annotations

from prunescope.report.structure import Estimate
from prunescope.report.words import before, change, moved, over
from prunescope.verdict.glossary import GLOSSARY


def flips(
    all_flips: Estimate | None, harmful: Estimate | None, helpful: Estimate | None
) -> tuple[str, str]:
    """Tell how many answers differ, both ways, and how many would without compression."""

    def share(row: Estimate | None) -> str:
        unit = GLOSSARY["flip_rate"].unit
        return "an unknown share" if row is None or row.value is None else unit.value(row.value)

    if all_flips is not None and all_flips.value == 0:
        return "No answer differs from those of the dense model.", "no answer differs"
    classes = all_flips is not None and all_flips.metric == "top1_flip_rate"
    clause = (
        f"{share(all_flips)} of images are given another class than by the dense model"
        if classes
        else f"{share(all_flips)} of answers differ from those of the dense model"
    )
    text = f"{clause[0].upper()}{clause[1:]}"
    if harmful is not None and harmful.value is not None:
        text += (
            f": of the labelled ones, {share(harmful)} went from right to wrong and "
            f"{share(helpful)} from wrong to right"
        )
    if all_flips is not None and all_flips.delta is not None:
        return f"{text}. {_beside_churn(all_flips)}", clause
    return (
        f"{text}. How many would differ without compression is not known: two dense models of "
        "different seeds would tell."
    ), clause


def _beside_churn(flips: Estimate) -> str:
    """Tell how flips compare with churn."""
    unit = GLOSSARY[flips.metric].unit
    text = f"Two dense models differ in {unit.value(before(flips))} (churn)"
    if flips.supported:
        way = "more" if (flips.delta or 0) > 0 else "less"
        return f"{text}, so compression changes {way} than a new seed does: {change(flips)}."
    if flips.verdict == "negligible":
        return f"{text}; that compression changes more is negligible: {change(flips)}."
    if flips.q_value is None:
        return f"{text}; the difference is {change(flips)}, not tested."
    return (
        f"{text}; that compression changes another number of answers than a new seed cannot be "
        f"told from chance: {change(flips)}."
    )


def hangs_together(row: Estimate) -> tuple[str, str]:
    """Tell that answers follow from each other more or less than before."""
    way = "more" if (row.delta or 0) > 0 else "less"
    text = f"Answers follow from one another {way}: interdependence goes {moved(row)}{over(row)}."
    return text, f"answers follow from one another {way}"
