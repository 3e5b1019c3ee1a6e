"""`route`: choose which answers to send, by a share, by a budget, or by what can be proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit import audit
from prunescope.audit.budget import Budget, outcome
from prunescope.data.samples import Samples
from prunescope.errors import ConfigError, one_of
from prunescope.mitigate.certificate import Certificate, certify
from prunescope.mitigate.curves import SHARES, curve_rows
from prunescope.mitigate.risk import (
    OWN_MARGIN,
    Score,
    To,
    asks_everywhere,
    check_alone,
    needs_of,
    title_of,
)
from prunescope.mitigate.route_result import Route, RouteInfo
from prunescope.mitigate.routing import Routed
from prunescope.predictions import Predictions

Loss = Literal["disagreement", "error"]


def route(
    pruned: Predictions,
    dense: Predictions,
    *,
    to: To = "dense",
    score: Score = OWN_MARGIN,
    whole: bool = False,
    share: float | None = None,
    target: Budget | None = None,
    certify_loss: Loss | None = None,
    alpha: float = 0.05,
    delta: float = 0.1,
    certify_groups: Sequence[str] = (),
    test: tuple[Predictions, Predictions] | None = None,
    test_score: Score | None = None,
    identity: Sequence[str] | None = None,
    macs: tuple[float, float] | None = None,
    min_support: int = 10,
    seed: int = 0,
    **settings: Any,  # noqa: ANN401 - of the audit that a target is judged by
) -> Route:
    """Choose a cut on a validation split, and tell what is left of the damage.

    Parameters
    ----------
    pruned, dense : Predictions
        On the validation split.
    to : {"dense", "person"}
        Who answers what is sent.
    score : str, Forecast or array (N, A)
        What makes an answer risky: ``own-margin`` (the pruned model's own distance from the
        threshold, which costs nothing), a scorer of tier A asked about the dense model's answers,
        a forecast of any tier for these samples, or a risk of your own. To certify it must look at
        each sample alone, as those in `ALONE` do; of your own, see to that yourself.
    whole : bool
        Send samples with all their answers, by the riskiest of them. The dense model that is asked
        about a sample has all answers anyhow.
    share : float, optional
        Send this share of the answers. Exactly one of `share`, `target` and `certify_loss` chooses.
    target : Budget, optional
        Send the least of `SHARES` whose interval ends, on the validation split, are all within.
    certify_loss : {"disagreement", "error"}, optional
        Send the least that is proved to keep this loss within `alpha` with probability 1 - `delta`:
        answers unlike the dense model's (no labels needed), or wrong ones.
    certify_groups : sequence of str
        Prove it of every value of these groups, too.
    test : pair of Predictions, optional
        Of the pruned and the dense model on a test split: for curves that chose nothing.
    test_score : Forecast or array, optional
        For its samples, where the score has no name.
    identity : sequence of str, optional
        Groups to look at; default: every group but the cluster.
    macs : pair of float, optional
        Multiplications of the dense and the pruned model for one sample, as `gains` counts them.
    min_support : int
    seed : int
    **settings
        Of the audits that a target is judged by.

    Returns
    -------
    Route

    Raises
    ------
    ConfigError
        A choice makes no sense.
    DataError
        Predictions do not fit together.
    """
    if sum(choice is not None for choice in (share, target, certify_loss)) != 1:
        raise ConfigError("expected exactly one of a share, a target and a loss to certify")
    if to not in get_args(To):
        raise ConfigError(one_of("destination", to, get_args(To)))
    if share is not None and not 0 <= share <= 1:
        raise ConfigError(f"share {share}: expected a number from 0 to 1")
    if certify_loss is not None:
        check_alone(score)
    routed = Routed.of(pruned, dense, score, to, whole=whole)
    name = title_of(score)
    for group in certify_groups:
        if group not in pruned.samples.groups:
            raise ConfigError(one_of("group", group, pruned.samples.groups))
    certificates: tuple[Certificate, ...] = ()
    cut: float | None
    if share is not None:
        cut, reason, chosen_by = routed.cut_at(share), "", f"share {share:g}"
    elif target is not None:
        cut, reason = _within(routed, target, identity, {**settings, "seed": seed})
        chosen_by = f"target {_constraints(target)}"
    else:
        assert certify_loss is not None
        certificates = _certificates(routed, certify_loss, alpha, delta, certify_groups, seed)
        cut, reason = certificates[-1].cut, certificates[-1].reason
        chosen_by = f"certificate of {certify_loss}"
    info = RouteInfo(
        model=pruned.name,
        dense=dense.name,
        to=to,
        score=name,
        whole=whole,
        needs=needs_of(name, to),
        chosen_by=chosen_by,
        cut=cut,
        sent=None if cut is None else float(routed.sent(cut).mean()),
        reason=reason,
        certificates=certificates,
        macs=macs,
    )
    splits = {"validation": routed}
    if test is not None:
        on_test = score if isinstance(score, str) else test_score
        if on_test is None:
            raise ConfigError(f"the test split needs a score of its own: {name} of its samples")
        splits["test"] = Routed.of(*test, on_test, to, whole=whole)
    curves = [
        curve_rows(
            on_split, split, cut, asks_everywhere(name),
            groups=identity, macs=macs, min_support=min_support,
        )
        for split, on_split in splits.items()
    ]  # fmt: skip
    return Route(info, pl.concat(curves))


def _within(
    routed: Routed, target: Budget, identity: Sequence[str] | None, settings: Mapping[str, Any]
) -> tuple[float | None, str]:
    """Return the cut of the least share that is within a budget, or why there is none."""
    for share in SHARES:
        cut = routed.cut_at(share)
        model = routed.answers(cut, "routed")
        table = audit(routed.dense, model, identity=identity, **settings).table
        if outcome(target.judge(table, "routed")) == "met":
            return cut, ""
    return None, f"not even with every answer sent is the target met: {_constraints(target)}"


def _constraints(target: Budget) -> str:
    return ", ".join(map(str, target.constraints))


def _certificates(
    routed: Routed,
    loss: Loss,
    alpha: float,
    delta: float,
    groups: Sequence[str],
    seed: int,
) -> tuple[Certificate, ...]:
    """Certify all samples and, if groups are named, all samples and each value of them at once."""
    samples = routed.pruned.samples
    kept, sent = routed.losses(loss)
    prove = partial(certify, loss=loss, alpha=alpha, delta=delta, units=_units(samples), seed=seed)
    risk = routed.risk[:, : kept.shape[1]]
    found = [prove(risk, kept, sent)]
    if groups:
        members: dict[str, NDArray[np.intp]] = {"all samples": np.arange(len(samples))}
        for name in groups:
            for code, value in enumerate(samples.groups[name].values):
                rows = np.flatnonzero(samples.groups[name].codes == code)
                members[f"{name}={value}"] = rows
        who = f"all samples and every value of {', '.join(groups)}"
        found.append(prove(risk, kept, sent, members=members, who=who))
    return tuple(found)


def _units(samples: Samples) -> NDArray[np.int64] | None:
    """Return the cluster of each sample, or its own number where it has none."""
    if samples.cluster is None:
        return None
    codes = samples.groups[samples.cluster].codes.astype(np.int64)
    return np.where(codes < 0, len(codes) + np.arange(len(codes)), codes)
