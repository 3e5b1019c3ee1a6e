"""A claim about pruning, and what a study has to say about it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Verdict = Literal["held", "failed", "undecided"]


class Claim(BaseModel):
    """One claim, tested on one setting.

    Parameters
    ----------
    key : str
        ``1`` to ``10``, or the name of a negative control.
    title : str
    setting : str
        The setting, or settings, that it is tested on; empty where the study has none for it.
    test : str
        What is expected, with its numbers, fixed beforehand.
    verdict : {"held", "failed", "undecided"}
        ``undecided``: the interval holds both, or the study lacks the runs for it.
    evidence : str
        What was seen, with intervals.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    title: str
    setting: str
    test: str
    verdict: Verdict
    evidence: str
