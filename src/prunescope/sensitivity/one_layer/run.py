"""Running every layer at every level: the passes over calibration images and over samples."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunescope.data.dataset import Dataset
from prunescope.models import to_unit_range
from prunescope.sensitivity.one_layer.graph import Norms, Steps
from prunescope.sensitivity.one_layer.state import State, no_errors
from prunescope.training import Unfinished, infer, reestimate_batch_norm
from prunescope.training.batch_norm import reestimation_batches
from prunescope.training.batches import consecutive, feed

BATCH_SIZE = 256
"""Samples that are asked about at once, as `infer` does."""


@dataclass(frozen=True)
class Branch:
    """One unit at one level: the weights that differ from the dense network's, and of whom.

    Parameters
    ----------
    unit : str
    level : float
    weights : dict
        Name → the weight.
    """

    unit: str
    level: float
    weights: dict[str, Tensor]


@dataclass(frozen=True)
class Outcome:
    """What the passes came to.

    Parameters
    ----------
    plain : array (N, A)
        Logits of the dense network, its batch normalisation estimated anew.
    logits : array (branches, N, A)
    errors : array (branches,)
        Relative squared error of the layer's output on the calibration images; NaN where it is not
        known.
    whole : str or None
        Why whole passes were made; None where they began at the layer.
    seconds : float
        That this process worked.
    """

    plain: NDArray[np.float32]
    logits: NDArray[np.float32]
    errors: NDArray[np.float64]
    whole: str | None
    seconds: float


@dataclass(frozen=True)
class Job:
    """What to run, and on what.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode, its weights plain; is only read.
    training, scored : Dataset
        The images to calibrate on are drawn from one; the other's are answered.
    n_batches, batch_size, seed : int
        As for `prunescope.training.reestimate_batch_norm`.
    device : torch.device
    kept : Unfinished
    progress : callable (done, total, note), optional
    """

    model: nn.Module
    training: Dataset
    scored: Dataset
    n_batches: int | None
    batch_size: int | None
    seed: int
    device: torch.device
    kept: Unfinished
    progress: Callable[[int, int, str], None] | None = None

    def trace(self) -> Steps:
        """Write the network down as steps.

        Raises
        ------
        UntraceableError
            That cannot be.
        """
        n = min(len(self.scored), BATCH_SIZE)
        positions = np.arange(n) if n > 1 else np.zeros(2, np.int64)
        images = to_unit_range(torch.from_numpy(self.scored.images(positions)))
        return Steps(self.model, images.to(self.device))

    def tell(self, done: int, total: int, note: str = "passes") -> None:
        """Tell how far it is."""
        if self.progress is not None:
            self.progress(done, total, note)


@torch.no_grad()
def run_branches(
    job: Job, steps: Steps | None, whole: str | None, branches: Sequence[Branch]
) -> Outcome:
    """Run every branch: from where it changes something, or whole where there are no steps."""
    began = time.perf_counter()
    state = _state(job, steps, branches)
    state.take_up()
    if steps is None:
        _run_whole(job, branches, state)
    else:
        _run_steps(job, steps, branches, state)
    squares = state.errors.numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.where(squares[:, 1] > 0, squares[:, 0] / squares[:, 1], np.nan)
    logits = state.logits.numpy()
    return Outcome(logits[0], logits[1:], errors, whole, time.perf_counter() - began)


def _state(job: Job, steps: Steps | None, branches: Sequence[Branch]) -> State:
    shape = 1 + len(branches), len(job.scored), len(job.scored.samples.attributes)
    own: list[Norms] = []
    plain: Norms = {}
    if steps is not None:
        plain = {name: norm.fresh() for name, norm in steps.norms.items()}
        own = [{name: norm.fresh() for name, norm in steps.norms.items()} for _ in branches]
    return State(job.kept, plain, own, no_errors(len(branches)), torch.zeros(shape))


def _run_steps(job: Job, steps: Steps, branches: Sequence[Branch], state: State) -> None:
    """Walk each batch through the network once; at each layer its levels branch off."""
    starts = [steps.first_use(branch.weights) for branch in branches]
    walk = _Walk(steps, branches, [at for at in starts if at is not None], state)
    batches = reestimation_batches(len(job.training), job.n_batches, job.batch_size, job.seed)
    parts = consecutive(len(job.scored), BATCH_SIZE)
    total = len(batches) + len(parts)
    job.tell(state.calibrated + state.answered, total)
    if state.calibrated < len(batches):
        for _, pixels, _ in feed(job.training, batches[state.calibrated :], job.device):
            walk.calibrate(to_unit_range(pixels))
            state.calibrated += 1
            state.save()
            job.tell(state.calibrated, total)
        state.save(now=True)
    for rows, pixels, _ in feed(job.scored, parts[state.answered :], job.device):
        walk.answer(to_unit_range(pixels), rows)
        state.answered += 1
        state.save()
        job.tell(state.calibrated + state.answered, total)
    state.save(now=True)


class _Walk:
    """Walks batches through the network, off which branches go."""

    def __init__(
        self, steps: Steps, branches: Sequence[Branch], starts: Sequence[int], state: State
    ) -> None:
        self.steps, self.branches, self.starts, self.state = steps, branches, starts, state
        self.order = sorted(range(len(branches)), key=lambda i: starts[i])
        self.meetings = [steps.meetings(branch.weights) for branch in branches]
        self.replaces = bool(state.plain)

    def calibrate(self, images: Tensor) -> None:
        """Take a batch into the statistics and the errors of all branches."""
        steps, plain = self.steps, self.state.plain
        env, at = steps.start(images), 0
        seen: dict[tuple[int, ...], list[Tensor]] = {}
        for i in self.order:
            start, meetings = self.starts[i], self.meetings[i]
            steps.run(env, at, start, plain, estimate=True)
            at = start
            until = 1 + max(meetings, default=start - 1)
            key = (start, *meetings)
            if key not in seen:
                # A trial of the dense network: its statistics are those of the batch alone.
                trial = {name: norm.fresh() for name, norm in plain.items()}
                seen = {key: steps.run(steps.branch(env, start, {}), start, until, trial,
                                       estimate=True, keep=meetings)}  # fmt: skip
            found = steps.run(
                steps.branch(env, start, self.branches[i].weights),
                start, max(until, steps.last_norm), self.state.own[i],
                estimate=True, keep=meetings,
            )  # fmt: skip
            for dense, own in zip(seen[key], found, strict=True):
                self.state.errors[i] += _squares(dense, own)
        steps.run(env, at, max(at, steps.last_norm), plain, estimate=True)

    def answer(self, images: Tensor, rows: NDArray[np.int64]) -> None:
        """Answer a batch by all branches."""
        steps, plain = self.steps, self.state.plain
        norms = plain if self.replaces else None
        env, at = steps.start(images), 0
        for i in self.order:
            start = self.starts[i]
            steps.run(env, at, start, norms)
            at = start
            mine = steps.branch(env, start, self.branches[i].weights)
            steps.run(mine, start, len(steps), self.state.own[i] if self.replaces else None)
            self._keep(1 + i, rows, steps.logits(mine))
        steps.run(env, at, len(steps), norms)
        self._keep(0, rows, steps.logits(env))

    def _keep(self, place: int, rows: NDArray[np.int64], logits: Tensor) -> None:
        logits = logits if logits.ndim == 2 else logits[:, None]
        self.state.logits[place, rows[0] : rows[-1] + 1] = logits.float().cpu()


def _squares(dense: Tensor, own: Tensor) -> Tensor:
    """Return the sum of squares of what two outputs differ by, and of the first."""
    difference = torch.linalg.vector_norm((own - dense).double()) ** 2
    return torch.stack([difference, torch.linalg.vector_norm(dense.double()) ** 2]).cpu()


def _run_whole(job: Job, branches: Sequence[Branch], state: State) -> None:
    """Make a whole pass for each branch; layers' own errors stay unknown."""
    for i in range(state.answered, 1 + len(branches)):
        job.tell(i, 1 + len(branches))
        model = copy.deepcopy(job.model)
        own = dict(model.named_parameters())
        for name, weight in (branches[i - 1].weights if i else {}).items():
            own[name].copy_(weight)
        reestimate_batch_norm(
            model, job.training,
            n_batches=job.n_batches, batch_size=job.batch_size, seed=job.seed,
        )  # fmt: skip
        answers = infer(model, job.scored, batch_size=BATCH_SIZE, device=job.device)
        state.logits[i] = torch.from_numpy(answers)
        state.answered = i + 1
        state.save()
    job.tell(1 + len(branches), 1 + len(branches))
    state.save(now=True)
