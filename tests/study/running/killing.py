"""Run a study in processes that are killed at random moments, until one of them ends it.

    python killing.py STUDY FOLDER ROUNDS PROCESSES LONGEST

Does so ROUNDS times, in FOLDER-0, FOLDER-1, ...; the first process lives LONGEST seconds at most,
later ones longer and longer.
Prints how often each was killed. Everything is imported once, as every attempt is a fork.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch  # noqa: F401 - once, for all attempts

from prunescope.models import build_model  # noqa: F401
from prunescope.pruning import METHODS  # noqa: F401
from prunescope.study.running import processes as engines
from prunescope.study.running import run_study


def attempt(study, folder, processes):
    """Start the study in a process group of its own."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        run_study(study, folder, engine=engines(processes))
        os._exit(0)
    return child


def run_killed(study, folder, seed, processes, longest):
    """Run a study to its end with interruptions; return how many there were."""
    os.environ["PRUNESCOPE_CACHE"] = f"{folder}-cache"  # of its own: the drawing is killed, too
    rng = random.Random(seed)
    kills = 0
    while True:
        child = attempt(study, folder, processes)
        deadline = time.monotonic() + rng.uniform(0.02, longest)
        while time.monotonic() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                assert status == 0, status
                return kills
            time.sleep(0.002)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills += 1
        longest *= 1.2  # on a busy machine, too, it ends one day


if __name__ == "__main__":
    study, folder, rounds, processes, longest = sys.argv[1:]
    for number in range(int(rounds)):
        target = Path(f"{folder}-{number}")
        print(run_killed(Path(study), target, number, int(processes), float(longest)))
