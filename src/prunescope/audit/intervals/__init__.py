"""How surely an estimate is known: blocks of samples, the jackknife, intervals, tests."""
