"""Second-order pruning at once: what stays makes up for what goes, layer by layer, without labels.

Layers are pruned in the order in which images pass them. Each is fitted to what the dense model's
layer gives for the same images, from the inputs that the layers pruned before leave it, so errors
do not add up; `prunescope.pruning.reconstruction` has the equations.
"""

from __future__ import annotations

import copy
import hashlib
import warnings
from dataclasses import replace
from functools import cached_property
from time import monotonic
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope.errors import ConfigError, PrunescopeWarning, TrainingError, shorten
from prunescope.models import logits_of, to_unit_range, weights_digest
from prunescope.pruning.error_curves import LEVELS, Curve, share_out
from prunescope.pruning.layers import check_finite, layer_of, module_of, outputs_first
from prunescope.pruning.masks import Masks
from prunescope.pruning.methods.method import Job, Method, Outcome
from prunescope.pruning.patterns import PATTERNS, Block, NOfM, Pattern
from prunescope.pruning.pruner import Masked, warn_if_layers_vanish
from prunescope.pruning.reconstruction import DAMPING, cutter, damped, error, fit, rounded
from prunescope.pruning.rounding import round_to_bits, widths_of
from prunescope.pruning.seen import as_matrices, from_matrices, groups_of, inputs_of, order_of_calls
from prunescope.pruning.sparsity import count_kept
from prunescope.training import Processes, Progress, Unfinished, reestimate_batch_norm
from prunescope.training.batches import feed

BATCH_SIZE = 32
N_ASKED = 256
"""Calibration images on which it is measured how much a layer's error changes answers."""
TYPICAL = 0.1
"""The relative error at which that is measured, or the next one that was tried."""


def run(job: Job) -> Outcome:
    """Prune and fit each layer; then re-estimate batch normalisation, or train by the recipe."""
    masks, told = reconstruct(job)
    if job.recipe is not None:
        name = f"reconstructed to sparsity {job.sparsity}"
        return Outcome(job.model, masks, job.train(Masked(masks, name)), told)
    reestimate_batch_norm(job.model, job.dataset, seed=job.seed)
    return Outcome(job.model, masks, None, told)


def reconstruct(job: Job) -> tuple[Masks, dict[str, Any]]:
    """Prune and fit each layer, in place; return what is left, and what should be known of it."""
    if job.criterion.pattern == "channel":
        raise ConfigError(
            "reconstruct lets the weights of an output make up for each other, and pattern channel "
            "removes whole outputs: choose another pattern, or method one-shot or structured"
        )
    job = replace(job, device=Processes.current().device(job.device))
    job.model.to(job.device).eval()
    work = _Work(job)
    masks = work.masks()
    told: dict[str, Any] = {"score": "second-order", "distribution": work.distribution}
    if work.unseen:
        told["by_magnitude"] = [layer_of(name) for name in work.unseen]
    return masks, told


class _Work:
    """One run: the model that is being pruned beside the dense one, layer by layer."""

    def __init__(self, job: Job) -> None:
        assert job.calibration is not None
        self.job = job
        self.dense = copy.deepcopy(job.model)
        self.pattern: Pattern = PATTERNS[job.criterion.pattern]
        self.size = self.pattern.size if isinstance(self.pattern, Block) else 1
        self.weights = job.masks.check(job.model)
        self.widths = widths_of(job.model, job.bits, job.ignore)
        check_finite(self.weights)
        positions = job.calibration.positions
        self.batches = np.array_split(positions, -(-len(positions) // BATCH_SIZE))
        [[_, pixels, _]] = feed(job.dataset, self.batches[:1], job.device)
        called = order_of_calls(self.dense, list(self.weights), to_unit_range(pixels))
        self.calls = called
        self.unseen = [name for name in self.weights if name not in called]
        self.saved = Unfinished(job.resume_dir, _key(job, positions))

    @property
    def distribution(self) -> str:
        """How what is kept is shared out among layers."""
        if isinstance(self.pattern, NOfM):
            return "uniform"
        if "layers" in self.job.told:
            return "per-layer"
        return self.job.criterion.distribution if "distribution" in self.job.told else "error"

    def masks(self) -> Masks:
        """Prune every layer, in place, and say what is left."""
        if self.unseen:
            warnings.warn(
                f"{shorten(map(layer_of, self.unseen), 3)}: no input of theirs is seen (they are "
                "transposed, not called, or called by other means), so they are pruned by "
                "magnitude and keep their weights",
                PrunescopeWarning,
                stacklevel=5,
            )
        kept = {} if isinstance(self.pattern, NOfM) else self.n_kept
        done: dict[str, Tensor] = {}
        began = monotonic()
        for number, name in enumerate((*self.calls, *self.unseen), 1):
            loss = self._settle(name, kept.get(name, 0), done)
            if self.job.progress is not None and Processes.current().first:
                took = monotonic() - began
                images = number * len(self.job.calibration.positions)  # type: ignore[union-attr]
                left = (len(self.weights) - number) * took / number
                self.job.progress(
                    Progress(number, len(self.weights), 0, loss, images / max(took, 1e-9), left)
                )
        made = Masks({name: done[name].cpu() for name in self.weights})
        if self.distribution == "error":  # of other shares the criterion warns
            warn_if_layers_vanish(self.job.masks, made)
        return made

    @cached_property
    def n_kept(self) -> dict[str, int]:
        """How many units each layer keeps."""
        if self.distribution != "error":
            masks = self.job.criterion.update(self.job.model, self.job.masks, self.job.sparsity)
            return {name: int(mask.sum()) // self.size for name, mask in masks.items()}
        found = self.saved.read("shares")
        if not found:
            found = {name: torch.tensor(n) for name, n in self._by_curves().items()}
            self.saved.write("shares", found)
        return {name: int(n) for name, n in found.items()}

    def _by_curves(self) -> dict[str, int]:
        """Share out by curves; layers without inputs lose the same share as the whole."""
        units = {name: weight.numel() // self.size for name, weight in self.weights.items()}
        n_kept = count_kept(sum(units.values()), self.job.sparsity)
        apart = {name: round((1 - self.job.sparsity) * units[name]) for name in self.unseen}
        if not self.job.sparsity:
            return units
        curves = {name: self._curve(name, units[name]) for name in self.calls}
        return apart | share_out(curves, n_kept - sum(apart.values()))

    def _curve(self, name: str, units: int) -> Curve:
        """Measure how a layer's error grows with its sparsity, everything else dense."""
        weight = self.weights[name]
        before = self._matrices(name)
        moments = [damped(own) for [own] in self._moments(name, beside=False)]
        whole = sum(error(torch.zeros_like(w), w, h) for w, h in zip(before, moments, strict=True))
        errors = []
        cut = cutter(before, moments, self.pattern)
        for level in LEVELS:
            made = cut(round((1 - level) * units)).weights
            lost = sum(error(w, v, h) for w, v, h in zip(before, made, moments, strict=True))
            errors.append(lost / whole if whole else 0.0)
        at = int(np.argmin(np.abs(np.array(errors) - TYPICAL)))
        made = cut(round((1 - LEVELS[at]) * units)).weights  # again: to keep all takes memory
        changed = self._answers_change(name, from_matrices(torch.stack(made), weight))
        slope = changed / errors[at] if errors[at] else 0.0
        return Curve(units, tuple(np.maximum.accumulate(np.clip(errors, 0, 1)).tolist()), slope)

    @torch.no_grad()
    def _answers_change(self, name: str, weight: Tensor) -> float:
        """Return the mean squared change of the dense model's answers with another weight."""
        own = self.dense.get_parameter(name)
        dense, other, batches = own.data, weight.to(own.dtype), self.batches
        total, n = 0.0, 0
        for _, pixels, _ in feed(
            self.job.dataset, batches[: -(-N_ASKED // BATCH_SIZE)], self.job.device
        ):
            images = to_unit_range(pixels)
            before = logits_of(self.dense(images))
            own.data = other
            after = logits_of(self.dense(images))
            own.data = dense
            total += float(((after - before).double() ** 2).sum())
            n += before.numel()
        return total / n

    def _matrices(self, name: str) -> list[Tensor]:
        owner = self.dense.get_submodule(module_of(name))
        return list(as_matrices(self.dense.get_parameter(name), groups_of(owner, name)))

    @torch.no_grad()
    def _moments(self, name: str, *, beside: bool) -> list[list[Tensor]]:
        """Return for each group the mean of x xᵀ and, `beside`, of y xᵀ.

        The inputs y are the dense model's; x are those of the model that is being pruned where it
        stands beside, else y.
        """
        sums: list[list[Tensor]] = []
        n = 0
        for _, pixels, _ in feed(self.job.dataset, self.batches, self.job.device):
            images = to_unit_range(pixels)
            dense = inputs_of(self.dense, name, images, self.calls[name])
            seen = dense
            if beside:
                seen = inputs_of(self.job.model, name, images, self.calls[name])
            for ys, xs in zip(dense, seen, strict=True):
                n += xs[0].shape[1]
                for group, (y, x) in enumerate(zip(ys, xs, strict=True)):
                    if x.dtype in (torch.float16, torch.bfloat16):  # whose products overflow
                        y, x = y.float(), x.float()
                    found = [x @ x.t(), *([y @ x.t()] if beside else [])]
                    if group == len(sums):
                        sums.append([torch.zeros_like(one, dtype=torch.float64) for one in found])
                    for total, one in zip(sums[group], found, strict=True):
                        total += one  # in place: these are large, and there are many batches
        if not all(total.isfinite().all() for totals in sums for total in totals):
            raise TrainingError(
                f"{layer_of(name)} sees inputs that are NaN or infinite: expected a model that "
                "answers the calibration images with numbers; train it again"
            )
        return [[total.div_(n) for total in totals] for totals in sums]

    def _settle(self, name: str, n_kept: int, done: dict[str, Tensor]) -> float:
        """Prune one layer of the model, or take it over from a run that was stopped."""
        weight, file = self.weights[name], f"layer-{len(done)}"
        found = self.saved.read(file)
        if not found:
            made, keep, loss = (
                self._magnitude(name, n_kept) if name in self.unseen else self._fit(name, n_kept)
            )
            found = {"weight": made.to(weight.dtype), "keep": keep, "loss": torch.tensor(loss)}
            found = Processes.current().agree(found)
            self.saved.write(file, found)
        weight.data.copy_(found["weight"])
        done[name] = found["keep"]
        return float(found["loss"])

    def _fit(self, name: str, n_kept: int) -> tuple[Tensor, Tensor, float]:
        """Return a layer's new weights, which they are, and the relative error."""
        before = self._matrices(name)
        moments, best = [], []
        for w, (own, other) in zip(before, self._moments(name, beside=True), strict=True):
            h = damped(own)
            wanted = w @ (other + h - own)  # what damping adds pulls towards the dense weights
            moments.append(h)
            best.append(torch.cholesky_solve(wanted.t(), torch.linalg.cholesky(h)).t())
        keep = cutter(best, moments, self.pattern)(n_kept).keep
        fitted = [fit(b, h, k) for b, h, k in zip(best, moments, keep, strict=True)]
        if name in self.widths:
            fitted = [
                rounded(v, h, k, self.widths[name])
                for v, h, k in zip(fitted, moments, keep, strict=True)
            ]
        lost = sum(error(b, v, h) for b, v, h in zip(best, fitted, moments, strict=True))
        whole = sum(error(torch.zeros_like(b), b, h) for b, h in zip(best, moments, strict=True))
        weight = self.weights[name]
        return (
            from_matrices(torch.stack(fitted), weight),
            from_matrices(torch.stack(keep), weight),
            lost / whole if whole else 0.0,
        )

    def _magnitude(self, name: str, n_kept: int) -> tuple[Tensor, Tensor, float]:
        weight = self.weights[name]
        if isinstance(self.pattern, NOfM):
            n_kept = weight.numel() * self.pattern.n // self.pattern.m
        lying = self._turned(name, weight.detach())
        keep = self.pattern.masks([lying.abs()], n_kept)[0].to(weight.device)
        made = lying * keep
        if name in self.widths:
            made = round_to_bits(made, self.widths[name])
        return self._turned(name, made), self._turned(name, keep), 0.0

    def _turned(self, name: str, tensor: Tensor) -> Tensor:
        return outputs_first({name: tensor}, self.dense)[name]


def _key(job: Job, positions: NDArray[np.int64]) -> str:
    """Tell one run from others: the weights that it begins with, the images, and what is asked."""
    digest = hashlib.sha256(positions.tobytes() + job.dataset.fingerprint.encode())
    digest.update("\n".join(job.dataset.samples.ids).encode())
    digest.update(weights_digest(job.model).encode())
    asked = (job.sparsity, job.criterion, job.bits, job.ignore, job.told, DAMPING)
    return f"{asked} {digest.hexdigest()}"


RECONSTRUCT = Method(
    "at once, what stays makes up for what goes; from a trained model",
    "dense",
    None,
    run,
    options=("distribution", "pattern", "layers", "bits"),
    calibration_images=2048,
)
