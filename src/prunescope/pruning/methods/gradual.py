"""Gradual magnitude pruning (GMP), as in the paper, and with linear steps."""

from __future__ import annotations

from fractions import Fraction

from prunescope.pruning.methods.method import Method, on_schedule
from prunescope.pruning.schedules import Gradual

# In the paper's 100 epochs: epochs 10, 20 … 80.
FROM_SCRATCH = Gradual(Fraction(10, 100), Fraction(80, 100), n_updates=8)
# In the paper's 80 epochs: epochs 1, 5 … 57.
FROM_TRAINED = Gradual(Fraction(1, 80), Fraction(57, 80), n_updates=15)

GMP_RI = Method("ever more, from random weights", "random", "paper-ri", on_schedule(FROM_SCRATCH))
GMP_PT = Method("ever more, from a trained model", "dense", "paper-pt", on_schedule(FROM_TRAINED))
LINEAR_PT = Method(
    "as much each time, from a trained model",
    "dense",
    "paper-pt",
    on_schedule(Gradual(FROM_TRAINED.first, FROM_TRAINED.last, FROM_TRAINED.n_updates, power=1)),
)
