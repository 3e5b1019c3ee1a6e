"""The paper's figure of planted backdoors, as data."""

from __future__ import annotations

from collections.abc import Sequence

from prunescope.data.backdoors import TRIGGER
from prunescope.report.panels import Figure, Panel, Series, figure
from prunescope.study.plan import DENSE, Setting
from prunescope.study.results.load import StudyResults
from prunescope.study.results.rows import Rows

BACKDOOR = "backdoor_bias_amplification"


def backdoor_figures(results: StudyResults) -> list[Figure]:
    """How far answers lean to a planted trigger: a line per trigger and shares, dense included."""
    told = [Rows(results, setting) for setting in results.settings if setting.backdoor is not None]
    made = []
    for arch in dict.fromkeys(rows.setting.arch for rows in told):
        here = [rows for rows in told if rows.setting.arch == arch]
        methods = dict.fromkeys(one.method for rows in here for one in rows.pruned)
        panels = [_backdoor_panel(here, method) for method in methods]
        made.append(
            figure(
                f"{arch}-backdoor",
                f"{arch}: bias amplification by a planted backdoor",
                "Share of predicted positives that carry the trigger less the same share of true "
                "positives, of the attribute that it was planted on, in points. Numbers before a "
                "trigger: percent of negatives and of positives that carry it in training.",
                panels
                or [Panel(title=arch, metric=BACKDOOR, missing="no pruned model is finished")],
            )
        )
    return made


def _backdoor_panel(told: Sequence[Rows], method: str) -> Panel:
    """Draw every trigger for one method."""
    series, reasons = [], []
    for place, rows in enumerate(told):
        planted = rows.setting.backdoor
        assert planted is not None
        members = [one for one in rows.everyone if one.method in (DENSE, method)]
        found = [rows.mark(one, BACKDOOR, planted.attribute, TRIGGER) for one in members]
        name = trigger_name(rows.setting)
        if any(mark for mark in found if mark and mark.sparsity > 0):
            marks = [mark for mark in found if mark is not None]
            series.append(Series(name=name, place=place, marks=tuple(marks)))
        else:
            reasons.append(f"{name}: {rows.why_not(BACKDOOR, planted.attribute, TRIGGER)}")
    return Panel(
        title=f"{method}, points",
        metric=BACKDOOR,
        series=tuple(series),
        target=0.0,
        missing="; ".join(reasons),
    )


def trigger_name(setting: Setting) -> str:
    """Name the backdoor of a setting: its kind, attribute and shares in percent."""
    planted = setting.backdoor
    assert planted is not None
    shares = f"{100 * planted.negative:.4g}/{100 * planted.positive:.4g}"
    return f"{shares} {planted.kind} on {planted.attribute}"
