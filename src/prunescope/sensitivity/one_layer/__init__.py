"""Asking the network with one layer changed, for each layer and level.

Words, as used here:

unit
    Layers that are compressed together: mostly one.
way
    What makes the weights of a unit at a level.
branch
    One unit at one level.
step
    One operation of the network.

Every batch walks through the network once. Where a unit's first weight is used, its levels branch
off and take the remaining steps alone.
"""

import prunescope.models  # noqa: F401 - says what to install where torch is missing
from prunescope.sensitivity.one_layer.ask import Asked, ask_layers
from prunescope.sensitivity.one_layer.graph import Steps, UntraceableError
from prunescope.sensitivity.one_layer.run import Branch, Job, Outcome, run_branches
from prunescope.sensitivity.one_layer.ways import WAYS, Made, Unit, Way, way_of

__all__ = [
    "WAYS",
    "Asked",
    "Branch",
    "Job",
    "Made",
    "Outcome",
    "Steps",
    "Unit",
    "UntraceableError",
    "Way",
    "ask_layers",
    "run_branches",
    "way_of",
]
