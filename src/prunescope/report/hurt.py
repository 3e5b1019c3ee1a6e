"""Where it hurts most: the slices that were found, as the report and their own page tell them."""

from __future__ import annotations

from prunescope.data import Dataset
from prunescope.report.thumbnails import thumbnails
from prunescope.slices import Slices
from prunescope.slices.judge import LEAST_P
from prunescope.slices.result import Loss, Share
from prunescope.verdict.judgement import Frozen
from prunescope.verdict.numbers import SHARE

MOST_TOLD = 5
"""Slices that the report shows."""

LOST = {
    "harmful_flips": "went from right to wrong",
    "accuracy": "stopped being right, less those that became so",
    "rare_answers": "stopped being right, less those that became so",
    "uncertainty": "became uncertain, less those that became sure",
}
"""Damage → what a share of the answers did."""

NEAR_0 = 1e-4
"""A q-value is not told to be less than this."""

BEYOND = {
    "margin": "answers elsewhere of which the dense model was as sure",
    "churn": "answers elsewhere of which the dense model was as sure",
    "nothing": "all answers elsewhere",
}
"""What a slice is compared with."""

LESS_CHURN = ", less those that did so in other trainings of the dense model (their mean)"


class ToldSlice(Frozen):
    """A slice as it is told; what is null could not be judged, for `reason`.

    `luck` is how much less the damage is on the test half than where it was found.
    """

    number: int
    model: str
    rule: str
    attribute: str | None
    found: bool
    of_embedding: bool
    n: int
    n_search: int
    n_test: int
    damage_search: float | None
    damage: float | None
    low: float | None
    high: float | None
    inside: float | None
    elsewhere: float | None
    p_value: float | None
    q_value: float | None
    reason: str | None
    about: list[Share]
    losses: list[Loss]
    hurt: list[str]
    typical: list[str]

    @property
    def title(self) -> str:
        """Its rule; where an embedding alone says what it is, with the traits that gather there."""
        if not self.of_embedding or not self.about:
            return self.rule
        return f"{self.rule} (often {', '.join(share.words for share in self.about[:2])})"

    @property
    def q(self) -> str:
        """The q-value in words."""
        return of_draws(self.q_value, self.p_value)

    @property
    def luck(self) -> float | None:
        """How much the search half flattered its size."""
        if self.damage is None or self.damage_search is None:
            return None
        return self.damage_search - self.damage

    @property
    def span(self) -> tuple[float, float]:
        """The ends of what is drawn of it."""
        ends = [x for x in (self.low, self.high, self.damage_search) if x is not None]
        return min(ends), max(ends)


class Hurt(Frozen):
    """What a search for slices found: those that the test half confirms first, and how it was done.

    `kind` of answers are lost, which `lost` says how, more than those of `beyond`. `n_tested`
    slices were tested. `thumbnails` are of the samples that slices name.
    """

    dense: str
    models: list[str]
    kind: str
    lost: str
    beyond: str
    confidence: float
    n_samples: int
    n_search: int
    n_tested: int
    n_features: int
    embeddings: int | None
    cluster: str | None
    slices: list[ToldSlice]
    thumbnails: dict[str, str]
    notes: list[str]

    @property
    def found(self) -> list[ToldSlice]:
        """Those that the test half confirms; first where an image loses most answers."""
        return [one for one in self.slices if one.found]

    @property
    def others(self) -> list[ToldSlice]:
        """The rest: what the search half alone saw."""
        return [one for one in self.slices if not one.found]

    @property
    def headline(self) -> str:
        """What was found, in a sentence."""
        if not self.found:
            why = (
                "what the search saw in one half of the images, the other half did not confirm."
                if self.n_tested
                else "nothing in one half of the images looked as if it did."
            )
            return f"No sub-population was found that loses more than others: {why}"
        worst = self.found[0]
        told = SHARE.change(worst.damage or 0)
        if worst.attribute is not None:
            told += f" of {worst.attribute}"
        n = len({one.rule for one in self.found})  # of several models one may be found again
        if n == 1:
            return f"One sub-population loses more than others, {told}: “{worst.title}”."
        return f"{n} sub-populations lose more than others, most of all, {told}, “{worst.title}”."


def of_draws(q_value: float | None, p_value: float | None) -> str:
    """Lay out a q-value, with "≤" where no draw of the exact test was as bad.

    Examples
    --------
    >>> of_draws(0.0003, 1 / 20_001), of_draws(0.0312, 0.01)
    ('≤ 0.0003', '0.031')
    """
    if q_value is None or p_value is None:
        return "–"
    return f"≤ {max(q_value, NEAR_0):.1g}" if p_value <= LEAST_P else f"{q_value:.2g}"


def build_hurt(slices: Slices, *, dataset: Dataset | None = None, most: int | None = None) -> Hurt:
    """Put together what is told of slices.

    Parameters
    ----------
    slices : Slices
    dataset : Dataset, optional
        Where pictures are looked up, by id.
    most : int, optional
        Slices that are told, of those that were found alone; by default all that were tested.
    """
    info, found = slices.info, set(slices.found["slice"])
    told = []
    for row in slices.table.to_dicts():
        number = row["slice"]
        of = slices.of(number)
        more = of.model_dump(include={"about", "losses", "hurt", "typical"})
        asked = any(feature.of_embedding for feature in of.rule.features)
        about = {"number": number, "found": number in found, "of_embedding": asked, **more}
        told.append(
            ToldSlice.model_validate(
                {**{k: v for k, v in row.items() if k in ToldSlice.model_fields}, **about}
            )
        )
    if most is not None:
        told = [one for one in told if one.found][:most]
    named = [key for one in told for key in (*one.hurt, *one.typical)]
    return Hurt(
        dense=", ".join(dict.fromkeys(info.compared_with)),
        models=list(info.models),
        kind=f"the {'rare ' if info.damage == 'rare_answers' else ''}answers",
        lost=LOST[info.damage] + (LESS_CHURN if info.beyond == "churn" else ""),
        beyond=BEYOND[info.beyond],
        confidence=info.confidence,
        n_samples=info.n_samples,
        n_search=info.n_search,
        n_tested=slices.table.height,
        n_features=info.n_features,
        embeddings=info.embeddings,
        cluster=info.cluster,
        slices=told,
        thumbnails={} if dataset is None else thumbnails(dataset, named),
        notes=info.notes,
    )
