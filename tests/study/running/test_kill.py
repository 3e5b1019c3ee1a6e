"""A study that is killed at any moment ends with the same bits as one that is not."""

import subprocess
import sys
from pathlib import Path

KILLING = Path(__file__).with_name("killing.py")
ROUNDS = 2
"""Studies that are killed here; `benchmarks/kills.py` kills each command at all of its steps."""


def killed(study, folder, rounds, *, processes=1, longest):
    """Run a study with interruptions so many times; return how many each had."""
    told = [study, folder, rounds, processes, longest]
    done = subprocess.run(
        [sys.executable, str(KILLING), *map(str, told)],
        capture_output=True, text=True, timeout=290, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


def test_killed_anywhere_it_ends_the_same_each_time(whole, write_study, network, contents):
    kills = killed(write_study(), network / "killed", ROUNDS, longest=0.9)
    print("kills:", kills)
    assert len(kills) == ROUNDS
    assert sum(kills) >= ROUNDS
    for number in range(ROUNDS):
        assert contents(network / f"killed-{number}") == whole, number


def test_killed_with_its_processes_it_ends_the_same(whole, write_study, network, contents):
    [kills] = killed(write_study(), network / "killed", 1, processes=2, longest=12.0)
    print("kills:", kills)
    assert contents(network / "killed-0") == whole
