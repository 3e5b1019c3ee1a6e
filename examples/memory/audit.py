"""Audit models from memory: no file of predictions, no PyTorch, a few seconds.

    python examples/memory/audit.py out/memory

scikit-learn's digits and a linear model; its weights are then rounded to 8, 4 and 2 bits, as any
tool might do it. Prints what may be shipped, and writes the report.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import prunescope as ps
from prunescope.report import build

BITS = (8, 4, 2)


def main(out: Annotated[Path, typer.Argument(help="Where the report goes.")]) -> None:
    """Train, round, audit, judge."""
    digits = load_digits()
    pixels, labels = digits.data / 16, digits.target
    half = len(pixels) // 2
    model = LogisticRegression(C=0.1, max_iter=500).fit(pixels[:half], labels[:half])
    tested = pixels[half:]

    def answers(weights: np.ndarray) -> np.ndarray:
        return np.asarray(tested @ weights.T + model.intercept_)

    ink = tested.sum(axis=1)
    audit = ps.audit(
        dense=answers(model.coef_),
        compressed={f"int{bits}": answers(rounded(model.coef_, bits)) for bits in BITS},
        labels=labels[half:],
        classes=[f"digit {number}" for number in model.classes_],
        groups={"ink": np.where(ink > np.median(ink), "heavy", "light")},
    )
    print(audit.overall.filter(metric="top1_accuracy").select("model", "value", "low", "high"))
    print(ps.verdict(audit).text)
    audit.save(out)
    ps.write_report(build(audit), out)


def rounded(weights: np.ndarray, bits: int) -> np.ndarray:
    """Round weights to the nearest of 2^bits - 1 steps around 0."""
    step = np.abs(weights).max() / (2 ** (bits - 1) - 1)
    return np.asarray(np.round(weights / step) * step)


if __name__ == "__main__":
    typer.run(main)
