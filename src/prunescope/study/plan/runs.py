"""Runs and settings: the nodes of a study, each with a key of all that it depends on."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict

from prunescope.data import DataConfig
from prunescope.data.backdoors import Backdoor
from prunescope.study.stages import model_name

DENSE, INT8 = "dense", "int8"
"""What a run makes besides the methods of pruning."""

KEY_FORMAT = 1
"""Goes into every key: raised when the same settings come to mean something else."""

ELSEWHERE = frozenset({"source", "images", "cache", "on_bad_image"})
"""Where data lie; what they are is told by their fingerprint."""


class Run(BaseModel):
    """One model: made, and asked about every split.

    Parameters
    ----------
    arch : str
    data : DataConfig
        With the attributes that it is trained on, and the backdoor, if any.
    method : str
        ``dense``, ``int8``, or a key of `prunescope.pruning.METHODS`.
    sparsity : float
    seed : int
    recipe : dict or None
        Settings of a `prunescope.training.Recipe`; None where nothing is trained.
    threads : int
    parent : Run or None
        The dense run that it starts from; None where it starts from random weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arch: str
    data: DataConfig
    method: str
    sparsity: float
    seed: int
    recipe: dict[str, Any] | None
    threads: int = 1
    parent: Run | None = None

    @property
    def name(self) -> str:
        """Its name beside others of its setting.

        Examples
        --------
        >>> from prunescope.data import DataConfig
        >>> told = {"method": "gmp-pt", "sparsity": 0.95, "seed": 2, "recipe": {"epochs": 6.0}}
        >>> run = Run(arch="resnet18", data=DataConfig(), **told)
        >>> run.name, run.key
        ('gmp-pt-95-s2', 'resnet18-gmp-pt-95-s2-...')
        """
        pruned = self.method not in (DENSE, INT8)
        made = model_name(self.method, self.sparsity) if pruned else self.method
        return f"{made}-s{self.seed}"

    @property
    def key(self) -> str:
        """Its name on disk: readable, with a hash of what differs from defaults."""
        told = {
            "format": KEY_FORMAT,
            "arch": self.arch,
            "data": _content(self.data),
            "method": self.method,
            "sparsity": self.sparsity,
            "seed": self.seed,
            "recipe": self.recipe,
            "threads": self.threads,
            "parent": self.parent and self.parent.key,
        }
        text = json.dumps(told, sort_keys=True, ensure_ascii=False)
        digest = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
        return f"{where(self.arch, self.data)}-{self.name}-{digest}"


class Setting(BaseModel):
    """Runs that are compared with each other: they differ by method, sparsity and seed alone.

    Parameters
    ----------
    name : str
    dense, compressed : tuple of Run
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    dense: tuple[Run, ...]
    compressed: tuple[Run, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        """All of them, dense ones first."""
        return (*self.dense, *self.compressed)

    @property
    def arch(self) -> str:
        """The architecture."""
        return self.dense[0].arch

    @property
    def data(self) -> DataConfig:
        """The data set."""
        return self.dense[0].data

    @property
    def backdoor(self) -> Backdoor | None:
        """The planted trigger, if any."""
        return self.data.backdoor

    @property
    def single(self) -> str | None:
        """The attribute that is trained alone; None where they are trained jointly."""
        names = self.data.attributes or ()
        return names[0] if len(names) == 1 else None


def where(arch: str, data: DataConfig) -> str:
    """Name an architecture with what is unusual about its data.

    Examples
    --------
    >>> where("hf:some/net", DataConfig(attributes=["Smiling"]))
    'hf-some-net-Smiling'
    """
    parts = [arch]
    if data.attributes is not None and len(data.attributes) == 1:
        parts.append(data.attributes[0])
    if data.backdoor is not None:
        planted = data.backdoor
        shares = f"{100 * planted.negative:.4g}-{100 * planted.positive:.4g}"
        parts += [planted.kind, planted.attribute, shares]
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", part).strip("-.") or "x" for part in parts)


def _content(data: DataConfig) -> dict[str, Any]:
    """Return what a data set's settings say of its content."""
    told = data.model_dump(mode="json", exclude_defaults=True, exclude=set(ELSEWHERE))
    return told | {"drawn": data.source == "synthetic"}
