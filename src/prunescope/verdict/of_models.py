"""What a judge says of models: the answer, and what it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl
from pydantic import Field

from prunescope.notebook import rendered
from prunescope.verdict.judgement import (
    LONGEST,
    MOST_SHOWN,
    WORDS,
    WORST_FIRST,
    Answer,
    Frozen,
    Judged,
    Row,
    State,
    shown,
)
from prunescope.verdict.numbers import counted, listing


class ModelVerdict(Frozen):
    """All criteria, judged on one model, and the answer that follows."""

    model: str
    answer: Answer
    criteria: list[Judged]

    @classmethod
    def of(cls, model: str, criteria: Sequence[Judged]) -> ModelVerdict:
        """Draw the conclusion.

        A severe limit is broken, anywhere: stop. Otherwise a criterion that decides is open or not
        judged, or nothing was judged: unknown. Otherwise a limit is broken or open, or could not
        be judged: care. Otherwise: ship.
        """
        present = [one for one in criteria if one.state != "absent"]
        untold = {"open", "not judged"}
        if any(one.severity == "severe" for one in present):
            answer: Answer = "stop"
        elif any(one.state in untold and one.decides for one in present) or all(
            one.state == "not judged" for one in present
        ):
            answer = "unknown"
        elif any(one.state != "held" for one in present):
            answer = "care"
        else:
            answer = "ship"
        return cls(model=model, answer=answer, criteria=list(criteria))

    def __str__(self) -> str:
        return f"{WORDS[self.answer]}: {self.text}"

    @property
    def passed(self) -> bool:
        """Whether the model may be shipped, if with care."""
        return self.answer in ("ship", "care")

    def having(self, *states: State) -> list[Judged]:
        """Return the criteria in some states: severe before moderate, deciding ones first."""
        found = [one for one in self.criteria if one.state in states]
        return sorted(found, key=lambda one: (one.severity != "severe", not one.decides))

    @property
    def settling(self) -> list[tuple[Judged, Row]]:
        """What would close the open criteria: the row of each that lacks most units.

        Deciding criteria come first, and of them the one that lacks most.
        """
        found = [
            (one, max(lacking, key=lambda row: row.more or 0))
            for one in self.having("open")
            if (lacking := [row for row in one.rows if row.more is not None])
        ]
        return sorted(found, key=lambda pair: (not pair[0].decides, -(pair[1].more or 0)))

    @property
    def blocking(self) -> list[Judged]:
        """What keeps the model from being shipped, most serious first."""
        if self.answer == "stop":
            return [one for one in self.criteria if one.severity == "severe"]
        if self.answer == "unknown":
            untold = self.having("open", "not judged")
            return [one for one in untold if one.decides] or untold
        return []

    @property
    def text(self) -> str:
        """Count its criteria by state: "1 broken, 2 open, 9 held"."""
        words = {state: state for state in ("broken", "open", "not judged", "held")}
        counts = Counter[str](one.state for one in self.criteria)
        told = {**words, "absent": "not asked"}.items()
        return ", ".join(f"{counts[state]} {word}" for state, word in told if counts[state])


class Verdict(Frozen):
    """What may be shipped of an audit.

    `answer` is the best that any compressed model gets, `text` says which; `answers` has that of
    each by name, that of a population being its worst seed's. `confidence` is the level at which
    damage is ruled out. `seeds_disagree` says of which
    populations seeds have different answers, and which.
    """

    answer: Answer
    text: str
    answers: dict[str, Answer]
    models: list[ModelVerdict]
    confidence: float = 0.95
    seeds_disagree: list[str] = Field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every model may be shipped, if with care."""
        return all(model.passed for model in self.models)

    def of(self, model: str) -> ModelVerdict:
        """Return what is said of one model."""
        return next(one for one in self.models if one.model == model)

    def worst_of(self, models: Sequence[str]) -> ModelVerdict:
        """Return what is said of that of some models which gets the worst answer."""

        def rank(one: ModelVerdict) -> tuple[int, int, int]:
            bad = len(one.having("broken")), len(one.having("open", "not judged"))
            return (WORST_FIRST.index(one.answer), -bad[0], -bad[1])

        return min(map(self.of, models), key=rank)

    def __repr__(self) -> str:
        return f"Verdict({self.text})"

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        """Show what is broken, open or not judged in a notebook."""
        rows = [
            (shown(model.model), WORDS[model.answer], one.criterion, one.outcome, one.text)
            for model in self.models
            for one in model.having("broken", "open", "not judged")
        ]
        names = ["model", "answer", "criterion", "state", "why"]
        table = pl.DataFrame(rows, dict.fromkeys(names, pl.String), orient="row")
        with pl.Config(fmt_str_lengths=3 * LONGEST, tbl_rows=MOST_SHOWN):
            return rendered(self.text, table)

    @property
    def gate(self) -> str:
        """The outcome of a gate in one line."""
        failed = [shown(one.model) for one in self.models if not one.passed]
        models = counted(len(self.models), "model")
        if failed:
            return f"not passed by {len(failed)} of {models}: {listing(failed)}"
        return f"passed by {models}: {listing([shown(one.model) for one in self.models])}"
