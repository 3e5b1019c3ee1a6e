"""Sub-populations that compression hurts, found where nobody labelled the groups.

Half of the samples is searched, the other half judges; a slice that is found is a group like any
other.
"""

from prunescope.slices.find import find_slices
from prunescope.slices.groups import SliceRules, add_groups
from prunescope.slices.result import Slices

__all__ = ["SliceRules", "Slices", "add_groups", "find_slices"]
