"""Within a budget: how far to compress each layer, for least harm."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prunescope.errors import ConfigError, one_of
from prunescope.files import write_text
from prunescope.inputs import parse_yaml, read_text
from prunescope.sensitivity.harm import harm_of
from prunescope.sensitivity.knapsack import cheapest
from prunescope.sensitivity.result import Kind, LayerMethod, Sensitivity

Least = Literal["harm", "error"]

BUDGET = re.compile(r"\s*(?P<what>[a-z]+)\s*<=?\s*(?P<share>[0-9.eE+-]+)\s*")

TIE = 1e-9
"""What a layer's own error counts beside harm: it decides between equals alone."""

UNTOUCHED = 0.0
"""The level of a layer that stays as it is."""


class Plan(BaseModel):
    """How far to compress each layer; `prunescope prune --plan` and `Plan.choices` carry it out.

    Parameters
    ----------
    kind, pattern, method
        As of the sensitivity that it was made from.
    budget : str
        Such as ``bytes <= 0.2``.
    least : {"harm", "error"}
        What was made least.
    spent : float
        Share of the dense layers' bytes or multiplications that is left.
    expected : float
        Of what was made least, added up over the layers.
    sparsity : float
        Share of the weights of the layers to prune that become zero; 0 of bits.
    layers : dict
        Layer → its sparsity, to the weight, or its bits; 0 of a layer that stays as it is.

    History of the format: 1 (0.2.0) first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    kind: Literal["sparsity", "bits"]
    pattern: str = "unstructured"
    method: LayerMethod = "one-shot"
    budget: str
    least: Least = "harm"
    spent: float
    expected: float
    sparsity: float = Field(ge=0, lt=1)
    layers: dict[str, float]

    @property
    def choices(self) -> dict[str, Any]:
        """What `prunescope.prune` is told: ``prune(model, train, **plan.choices)``.

        Layers that stay as they are are told by what to ignore.
        """
        touched = {name: level for name, level in self.layers.items() if level != UNTOUCHED}
        found: dict[str, Any] = {"method": self.method, "sparsity": 0.0}
        if not touched:
            return found | {"method": "one-shot"}
        found["ignore"] = [name for name in self.layers if name not in touched]
        if self.kind == "bits":
            return found | {"bits": {name: int(bits) for name, bits in touched.items()}}
        if self.pattern != "unstructured":
            found["pattern"] = self.pattern
        if ":" in self.pattern:
            return found | {"sparsity": next(iter(touched.values()))}
        return found | {"sparsity": self.sparsity, "layers": touched}

    def save(self, path: str | Path) -> None:
        """Write the plan as YAML, a line for each layer."""
        told = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        write_text(Path(path), told)

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """Read what `save` wrote.

        Raises
        ------
        ConfigError
            The file is absent, no YAML, or says something else.
        """
        try:
            _, values = parse_yaml(read_text(Path(path)))
            return cls.model_validate(values)
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise ConfigError(
                f"{path}: expected a plan that 'prunescope sensitivity --budget' wrote: {error}"
            ) from error
        except ValueError as error:
            raise ConfigError(f"{path}: not YAML: {error}") from error


def plan_layers(sensitivity: Sensitivity, budget: str, *, least: Least = "harm") -> Plan:
    """Choose a level for each layer: the least harm, added up over layers, within a budget.

    A layer's harm is that of the network in which it alone is compressed, less that of the dense
    network whose batch normalisation is estimated anew, and at least 0; it counts as no less than
    at a milder level. That harms add up is an assumption (docs/sensitivity.md tells how well it
    holds). Between equals the layers' own errors decide.

    Parameters
    ----------
    sensitivity : Sensitivity
        Of sparsities or bits.
    budget : str
        ``bytes <= SHARE`` or ``macs <= SHARE``: of the dense layers', in (0, 1].
    least : {"harm", "error"}
        ``error``: the sum of the layers' own relative squared errors instead.

    Raises
    ------
    ConfigError
        The budget makes no sense, is below what the strongest levels leave, or the levels are of
        channels, whose bytes depend on each other.
    """
    info = sensitivity.info
    what, share = check_budget(budget, info.kind)
    if least not in ("harm", "error"):
        raise ConfigError(one_of("what to make least", least, ("harm", "error")))
    rows = _options(
        sensitivity.layers, what, least, _alone(sensitivity), milder=info.kind == "bits"
    )
    dense = sum(options[0]["cost"] for options in rows.values())
    losses = [[one["loss"] for one in options] for options in rows.values()]
    costs = [[one["cost"] for one in options] for options in rows.values()]
    picked = cheapest(losses, costs, share * dense)
    if picked is None:
        raise _out_of_reach(budget, what, sum(map(min, costs)) / dense)
    chosen = {
        name: options[place] for (name, options), place in zip(rows.items(), picked, strict=True)
    }
    touched = [one for one in chosen.values() if one["level"] != UNTOUCHED]
    n, kept = (sum(one[what] for one in touched) for what in ("weights", "kept"))
    of_layer = sensitivity.members.group_by("layer", maintain_order=True).agg("member")
    members = dict(of_layer.iter_rows())
    of_weights = info.kind == "sparsity"
    return Plan(
        kind="sparsity" if of_weights else "bits",
        pattern=info.pattern,
        method=info.method,
        budget=f"{what} <= {share:g}",
        least=least,
        spent=sum(one["cost"] for one in chosen.values()) / dense,
        expected=sum(one["loss"] for one in chosen.values()),
        sparsity=1 - kept / n if of_weights and n else 0.0,
        layers={
            member: _level(one, info.kind, info.pattern)
            for name, one in chosen.items()
            for member in members[name]
        },
    )


def check_reach(rows: Iterable[Mapping[str, Any]], budget: str, kind: Kind) -> None:
    """Raise where the strongest levels of all layers leave more than a budget allows.

    Parameters
    ----------
    rows : iterable of dict
        Those of `Sensitivity.layers`, as far as they are known before anything is measured.
    budget : str
        As for `plan_layers`.
    kind : {"sparsity", "bits", "channels"}

    Raises
    ------
    ConfigError
    """
    what, share = check_budget(budget, kind)
    dense: dict[str, float] = {}
    fewest: dict[str, float] = {}
    for row in rows:
        layer, whole = row["layer"], row[f"{what}_dense"]
        dense[layer] = whole
        fewest[layer] = min(fewest.get(layer, whole), row.get(what, whole))
    least = sum(fewest.values()) / sum(dense.values())
    if least > share:
        raise _out_of_reach(budget, what, least)


def _out_of_reach(budget: str, what: str, least: float) -> ConfigError:
    return ConfigError(
        f"{budget}: the strongest levels of all layers leave {least:.4g} of the {what}: allow "
        "more, or measure stronger levels"
    )


def _level(one: dict[str, float], kind: Kind, pattern: str) -> float:
    """Return the level as it is written: a sparsity to the weight."""
    if one["level"] == UNTOUCHED or kind == "bits" or ":" in pattern:
        return one["level"]
    return 1 - one["kept"] / one["weights"]


def check_budget(text: str, kind: Kind) -> tuple[str, float]:
    """Read a budget: what it is of, and the share that is left.

    Raises
    ------
    ConfigError
        It makes no sense, or there is none for such levels.

    Examples
    --------
    >>> check_budget("bytes <= 0.2", "sparsity")
    ('bytes', 0.2)
    """
    found = BUDGET.fullmatch(text)
    try:
        share = float(found["share"]) if found else 0.0
    except ValueError:
        share = 0.0
    if found is None or found["what"] not in ("bytes", "macs") or not 0 < share <= 1:
        raise ConfigError(
            f"budget {text!r}: expected 'bytes <= SHARE' or 'macs <= SHARE', a share of the dense "
            "layers' in (0, 1], such as 'bytes <= 0.2'"
        )
    if kind == "channels":
        raise ConfigError(
            "the bytes of a layer's channels depend on those of its neighbours, so there is no "
            "budget for channels: measure sparsities or bits"
        )
    if found["what"] == "macs" and kind == "bits":
        raise ConfigError("bits change no number of multiplications: give a budget of bytes")
    return found["what"], share


def _alone(sensitivity: Sensitivity) -> float:
    """Return the harm of the dense network whose batch normalisation is estimated anew."""
    harm = harm_of(sensitivity.table.filter(pl.col("layer").is_null()))
    return 0.0 if harm is None else harm.total


def _options(
    layers: pl.DataFrame, what: str, least: Least, alone: float, *, milder: bool
) -> dict[str, list[dict[str, float]]]:
    """Return what each layer may become, the mildest first: as it is, and its levels."""
    found: dict[str, list[dict[str, float]]] = {}
    for row in layers.iter_rows(named=True):
        whole = {
            "level": UNTOUCHED, "cost": row[f"{what}_dense"], "loss": 0.0,
            "weights": row["weights"], "kept": row["weights"],
        }  # fmt: skip
        options = found.setdefault(row["layer"], [whole])
        if row["harm"] is None:
            continue
        error = row["error"] or 0.0
        loss = error if least == "error" else max(row["harm"] - alone, 0.0) + TIE * error
        options.append({
            "level": row["level"], "cost": row[what], "loss": loss, "weights": row["weights"],
            "kept": row["kept"],
        })  # fmt: skip
    for options in found.values():
        options[1:] = sorted(options[1:], key=lambda one: -one["level"] if milder else one["level"])
        for before, one in pairwise(options):
            one["loss"] = max(one["loss"], before["loss"])
    return found
