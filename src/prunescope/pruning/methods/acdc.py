"""AC/DC: sparse and dense phases by turns.

Peste et al., "AC/DC: alternating compressed/decompressed training of deep neural networks",
NeurIPS 2021.
"""

from __future__ import annotations

from fractions import Fraction

from prunescope.pruning.methods.method import Method, on_schedule
from prunescope.pruning.schedules import Alternating

# In 100 epochs: dense up to epoch 10, phases of 5 up to epoch 75, dense to 85, then sparse.
ACDC = Method(
    "sparse and dense by turns, from random weights",
    "random",
    "paper-ri",
    on_schedule(
        Alternating(
            first=Fraction(10, 100),
            phase=Fraction(5, 100),
            last_dense=Fraction(75, 100),
            last=Fraction(85, 100),
        )
    ),
)
