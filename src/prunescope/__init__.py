"""Prune vision classifiers and see what pruning did that accuracy hides."""

__version__ = "0.1.0"
