"""Where to compute, and how reproducibly."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from prunescope.errors import ConfigError
from prunescope.training.recipe import Recipe


def device_for(name: str | torch.device | None = None) -> torch.device:
    """Return the device to compute on: by default a GPU where there is one, else the CPU.

    Raises
    ------
    ConfigError
        The name is unknown, or the device is not there.

    Examples
    --------
    >>> device_for("cpu")
    device(type='cpu')
    """
    has_gpu = torch.cuda.is_available()
    try:
        device = torch.device(name or ("cuda" if has_gpu else "cpu"))
    except RuntimeError:
        raise ConfigError(f"unknown device {name!r}: expected cpu, cuda, or cuda:1") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {str(device)!r} is not there: this process sees {torch.cuda.device_count()} "
            "GPUs; use device='cpu', or install a torch with CUDA"
        )
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device {str(device)!r} is not supported: expected cpu or cuda")
    return device


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """Return the context in which models compute as the recipe wants: bfloat16 where it pays."""
    mixed = recipe.precision == "bf16" and multiplies_bfloat16(device)
    return torch.autocast(device.type, torch.bfloat16, enabled=mixed)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Tell whether a device has units for products in bfloat16: most GPUs, processors with AMX."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    told: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # old ones lack it
    return bool(told.get("amx_bf16"))


@contextmanager
def isolated(device: torch.device, *, deterministic: bool) -> Iterator[None]:
    """Leave torch's random generators and settings as they were when the block ends."""
    before = (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark)
    if deterministic:
        # cuBLAS reads this when it starts; without it, it refuses to be deterministic.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.use_deterministic_algorithms(deterministic or before[0])
            torch.backends.cudnn.benchmark = not deterministic
            yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Compute with so many threads: another number may round differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
