"""Attributes trained jointly beside the same attributes trained alone, as data."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from prunescope.report.panels import Mark, PairRow, Pairs, Side, step
from prunescope.study.plan import Setting
from prunescope.study.results.figures import BA, TARGETS, titled
from prunescope.study.results.load import StudyResults
from prunescope.study.results.rows import Member, Rows
from prunescope.study.stages import model_name
from prunescope.verdict.glossary import label_of
from prunescope.verdict.numbers import counted

NAMES = ("jointly", "alone")
COMPARED = (BA, "rare_value_ratio", "uncertainty")


class Beside(BaseModel):
    """All comparisons of jointly trained with singly trained attributes at one step.

    Parameters
    ----------
    name : str
        Of the file.
    title, caption : str
    pairs : tuple of Pairs
        By metric, and by group for bias amplification; those without a row are left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    caption: str
    pairs: tuple[Pairs, ...]


def beside(results: StudyResults) -> list[Beside]:
    """Set joint models beside those of single attributes, at each method and sparsity of both.

    The sparsest come first, the dense models last.
    """
    made = []
    for joint in results.joint:
        alone = _alone(results, joint)
        if not alone:
            continue
        together = Rows(results, joint)
        for member in together.everyone:
            pairs = [pair for pair in _compared(together, member, alone) if pair.rows]
            if pairs:
                made.append((member, _beside(results, joint, member, pairs)))
    made.sort(key=lambda one: (-one[0].sparsity, one[0].method))
    return [one for _, one in made]


def _alone(results: StudyResults, joint: Setting) -> dict[str, Rows]:
    """Return the rows of each attribute that is trained alone, where joint training has it."""
    known = results.audits[joint.name].info.attributes
    return {
        setting.single: Rows(results, setting)
        for setting in results.settings
        if setting.single in known and setting.backdoor is None and setting.arch == joint.arch
    }


def _compared(together: Rows, member: Member, alone: dict[str, Rows]) -> Iterator[Pairs]:
    told: list[tuple[str, str | None]] = [(BA, group) for group in together.groups]
    told += [(metric, None) for metric in COMPARED if metric != BA]
    for metric, group in told:
        rows = []
        for attribute, single in alone.items():
            here = (member.method, member.asked)
            other = next((m for m in single.everyone if (m.method, m.asked) == here), None)
            first = together.mark(member, metric, attribute, group)
            second = None if other is None else single.mark(other, metric, attribute, group)
            if first is not None and second is not None:
                rows.append(PairRow(name=attribute, first=_side(first), second=_side(second)))
        yield Pairs(
            title=titled(metric, group or ""),
            metric=metric,
            names=NAMES,
            rows=tuple(rows),
            target=TARGETS.get(metric),
        )


def _side(mark: Mark) -> Side:
    return Side(value=mark.value, low=mark.low, high=mark.high)


def _beside(results: StudyResults, joint: Setting, member: Member, pairs: list[Pairs]) -> Beside:
    which = member.method
    if member.sparsity > 0:
        which += f", {step(member.sparsity)} removed"
    most = max(len(pair.rows) for pair in pairs)
    listed = "; ".join(_closer(pair) for pair in pairs if pair.target is not None)
    return Beside(
        name=f"{joint.name}-beside-{model_name(member.method, member.asked)}",
        title=f"{joint.arch}: {which}",
        caption=f"{counted(most, 'attribute')}, means over {counted(len(member.seeds), 'seed')} of "
        f"the joint model, with intervals where they are known. {listed}",
        pairs=tuple(pairs),
    )


def _closer(pair: Pairs) -> str:
    """Count the attributes that lie closer to the ideal when they are trained jointly."""
    assert pair.target is not None
    n = sum(
        abs(row.first.value - pair.target) < abs(row.second.value - pair.target)
        for row in pair.rows
    )
    return f"{pair.title.split(',')[0]}: {n} of {len(pair.rows)} closer to {pair.target:g} jointly"


def missing(results: StudyResults) -> str:
    """Say why nothing is set beside each other."""
    planned = [setting for setting in results.plan.settings if setting.single is not None]
    if not planned:
        return "The study trains no attribute alone."
    if not results.joint:
        return "No model of all attributes is audited to set single ones beside."
    return (
        f"None of {counted(len(planned), 'attribute')} trained alone has a model that is finished "
        f"at a method and sparsity of the joint one: no {label_of(BA).lower()} can be compared."
    )
