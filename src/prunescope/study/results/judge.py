"""The claims of the paper, and controls, judged by what a study found."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from prunescope.study.results.claim import Claim
from prunescope.study.results.claims import answers, leaning, levels
from prunescope.study.results.claims.figures import Figures
from prunescope.study.results.load import StudyResults
from prunescope.study.sweep import ShowProgress, silent

Judge = Callable[[Figures], Claim | Sequence[Claim]]

CLAIMS: Sequence[Judge] = (
    levels.accuracy_kept,
    levels.uncertainty_rises,
    levels.interdependence_above_labels,
    levels.rare_values_lost,
    leaning.mild_within_seeds,
    leaning.extreme_leans,
    leaning.largest_for_male,
    answers.thresholds_help,
    answers.exemplars_uncertain,
    levels.flips_ordered,
)
"""Claims about one architecture, trained jointly on clean data."""

CONTROLS: Sequence[Judge] = (
    levels.seeds_differ_less,
    leaning.shuffled_groups,
    levels.int8_changes_nothing,
)
"""What should show nothing."""


def judge_claims(
    results: StudyResults,
    *,
    show: ShowProgress = silent,
) -> list[Claim]:
    """Judge the ten claims of the paper and three negative controls, by architecture.

    What is expected was fixed beforehand. A claim is ``held`` where its interval lies where it
    should, ``failed`` where it lies elsewhere, and else ``undecided``, as where the study lacks the
    runs. Of several conditions all must hold.

    Parameters
    ----------
    results : StudyResults
    show : callable, optional
        Given a label, returns a context whose value takes what is done, of all.

    References
    ----------
    Iofinova, Peste and Alistarh, "Bias in Pruned Vision Models", CVPR 2023.
    """
    made: list[Claim] = []
    everything = [Figures(results, setting) for setting in results.settings]
    joint = [figures for figures in everything if figures.setting in results.joint]
    with show("claims") as update:
        for number, figures in enumerate(joint):
            arch = figures.setting.arch
            beside = [other for other in everything if other.setting.arch == arch]
            alone = [one for one in beside if one.setting.single and not one.setting.backdoor]
            planted = [one for one in beside if one.setting.backdoor and not one.setting.single]
            if not figures.arms:
                continue
            for place, judge in enumerate((*CLAIMS, *CONTROLS)):
                found = judge(figures)
                made += [found] if isinstance(found, Claim) else found
                update(number * len(CLAIMS) + place, len(joint) * (len(CLAIMS) + len(CONTROLS)))
            made.append(leaning.joint_less_biased(figures, alone))
            made += leaning.backdoor_taken(planted, arch)
    return sorted(made, key=_place)


def _place(claim: Claim) -> tuple[int, str]:
    """Return where a claim stands in a list: by number, controls last."""
    number = re.match(r"\d+", claim.key)
    return (int(number[0]), claim.key) if number else (99, "")
