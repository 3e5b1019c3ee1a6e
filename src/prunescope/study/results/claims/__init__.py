"""The claims, each a function from figures to a verdict with its evidence."""
