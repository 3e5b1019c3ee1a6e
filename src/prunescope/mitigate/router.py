"""`route`: choose which answers to send, by a share, by a policy, or by what can be proved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit import audit
from prunescope.audit.intervals.bootstrap import units_of
from prunescope.errors import ConfigError, one_of
from prunescope.mitigate.certificate import Certificate, certify
from prunescope.mitigate.curves import SHARES, curve_rows
from prunescope.mitigate.overrides import Overrides
from prunescope.mitigate.risk import (
    OWN_MARGIN,
    Score,
    To,
    asks_everywhere,
    check_alone,
    check_given,
    needs_of,
    title_of,
)
from prunescope.mitigate.route_result import Route, RouteInfo
from prunescope.mitigate.routing import NOTHING, Routed
from prunescope.mitigate.splits import check_apart, check_unseen
from prunescope.predictions import Predictions
from prunescope.verdict import Policy

Loss = Literal["disagreement", "error"]

TIED = 0.005
"""How far the share that is sent may be from the one that was asked for, without a word."""


def route(
    pruned: Predictions,
    dense: Predictions,
    *,
    to: To = "dense",
    score: Score = OWN_MARGIN,
    whole: bool = False,
    share: float | None = None,
    target: Policy | None = None,
    certify_loss: Loss | None = None,
    alpha: float = 0.05,
    delta: float = 0.1,
    certify_groups: Sequence[str] = (),
    overrides: Overrides | None = None,
    test: tuple[Predictions, Predictions] | None = None,
    test_score: Score | None = None,
    identity: Sequence[str] | None = None,
    cluster: str | None = None,
    macs: tuple[float, float] | None = None,
    min_support: int = 10,
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
        Send this share of the answers. Exactly one of `share`, `target` and `certify_loss` chooses;
        none of them, and nothing is sent, where there are overrides.
    target : Policy, optional
        Send the least of `SHARES` with which the answer about the validation split is ship, or
        ship with care. See `Policy.of`.
    certify_loss : {"disagreement", "error"}, optional
        Send the least that is proved to keep this loss within `alpha` with probability 1 - `delta`:
        answers unlike the dense model's (no labels needed), or wrong ones. Not on samples that
        thresholds or calibration were fitted to, which would prove nothing.
    certify_groups : sequence of str
        Prove it of every value of these groups, too.
    overrides : Overrides, optional
        What people said of samples of either split. Labels are corrected by it. The cut is chosen,
        and certified, as if nobody had given an answer: it is for samples that nobody looked at.
    test : pair of Predictions, optional
        Of the pruned and the dense model on a test split: for curves that chose nothing.
    test_score : Forecast or array, optional
        For its samples, where the score has no name.
    identity : sequence of str, optional
        Groups to look at; default: every group but the cluster.
    macs : pair of float, optional
        Multiplications of the dense and the pruned model for one sample, as `gains` counts them.
    cluster : str, optional
        Group whose samples depend on each other, such as the images of a person: its values are
        the independent units of a certificate. Default: the one that the samples name.
    min_support : int
    **settings
        Of the audits that a target is judged by: replicates, confidence, seed, ...

    Returns
    -------
    Route

    Raises
    ------
    ConfigError
        A choice makes no sense.
    DataError
        Predictions do not fit together, the test split shares samples with the other, or overrides
        are about samples of neither.
    """
    _check_choice(share, target, certify_loss, certify_groups, overrides)
    if to not in get_args(To):
        raise ConfigError(one_of("destination", to, get_args(To)))
    name = title_of(score)
    if test is not None:
        test = check_apart(pruned, test[0]), check_apart(dense, test[1])
        check_given(name, test_score)
    elif test_score is not None:
        raise ConfigError("a score of test samples needs the test split")
    if overrides is not None:
        overrides.check(pruned, *([] if test is None else test[:1]))
        pruned, dense, review = overrides.correct(pruned, dense)
        if certify_loss == "error" and review.n_corrected:
            raise _nothing_proved(overrides, review.n_corrected)
        if test is not None:
            test = overrides.correct(*test)[:2]
    arranged = partial(Routed.of, to=to, whole=whole, cluster=cluster)
    routed = arranged(pruned, dense, score)
    if share is not None:
        chosen = _of_share(routed, share)
    elif target is not None:
        told = {"identity": identity, "min_support": min_support, **settings}
        chosen = _within(routed, target, told)
    elif certify_loss is None:
        chosen = Chosen("overrides alone", NOTHING)
    else:
        check_alone(score)
        for model in (pruned, dense):
            check_unseen(model, "proved by them")
        prove = partial(certify, loss=certify_loss, alpha=alpha, delta=delta)
        chosen = _certified(routed, certify_loss, certify_groups, prove)
    cut = chosen.cut
    info = RouteInfo(
        model=pruned.name,
        dense=dense.name,
        to=to,
        score=name,
        whole=whole,
        needs=needs_of(name, to),
        chosen_by=chosen.by,
        cut=cut,
        sent=None if cut is None else float(routed.sent(cut).mean()),
        reason=chosen.reason,
        certificates=chosen.certificates,
        macs=macs,
        overrides=None if overrides is None else overrides.info(pruned.samples.task),
    )
    splits = {"validation": routed}
    if test is not None:
        splits["test"] = arranged(*test, name if test_score is None else test_score)
    curves = [
        curve_rows(
            on_split, split, cut, asks_everywhere(name),
            groups=identity, macs=macs, min_support=min_support,
        )
        for split, on_split in splits.items()
    ]  # fmt: skip
    return Route(info, pl.concat(curves))


def _check_choice(
    share: float | None,
    target: Policy | None,
    loss: Loss | None,
    groups: Sequence[str],
    overrides: Overrides | None,
) -> None:
    """See that one thing chooses the cut, or overrides stand alone."""
    n_choices = sum(choice is not None for choice in (share, target, loss))
    if n_choices > 1 or (n_choices == 0 and overrides is None):
        raise ConfigError(
            "expected exactly one of a share, a target and a loss to certify, or overrides alone"
        )
    if groups and loss is None:
        raise ConfigError("groups to certify need a loss to certify: name one")


def _nothing_proved(overrides: Overrides, n_corrected: int) -> ConfigError:
    return ConfigError(
        f"{overrides.source} corrects labels where people looked ({n_corrected:,}), and none where "
        "they did not, so that errors of these samples are not those of others and nothing can be "
        "proved of them: certify disagreement, which needs no label, or give a validation split "
        "that nobody reviewed"
    )


class Chosen(NamedTuple):
    """A cut, above which answers are sent, or why there is none; and what chose it."""

    by: str
    cut: float | None
    reason: str = ""
    certificates: tuple[Certificate, ...] = ()


def _of_share(routed: Routed, share: float) -> Chosen:
    """Cut so that a share of the answers is sent."""
    if not 0 <= share <= 1:
        raise ConfigError(f"share {share}: expected a number from 0 to 1")
    cut = routed.cut_at(share)
    got = float(routed.sent(cut).mean())
    tied = f" ({got:.1%} are sent: many have one risk)" if abs(got - share) > TIED else ""
    return Chosen(f"share {share:g}{tied}", cut)


def _within(routed: Routed, target: Policy, settings: Mapping[str, Any]) -> Chosen:
    """Cut so that the least share is sent that a policy allows."""
    constraints = ", ".join(map(str, target.criteria))
    for share in SHARES:
        cut = routed.cut_at(share)
        model = routed.answers(cut, "routed")
        if target.judge(audit(routed.dense, model, **settings)).passed:
            return Chosen(f"target {constraints}", cut)
    reason = f"not even with every answer sent is the target met: {constraints}"
    return Chosen(f"target {constraints}", None, reason)


def _certified(
    routed: Routed, loss: Loss, groups: Sequence[str], prove: Callable[..., Certificate]
) -> Chosen:
    """Certify all samples and, if groups are named, all samples and each value of them at once."""
    samples = routed.pruned.samples
    kept, sent = routed.losses(loss)
    risk = routed.risk[:, : kept.shape[1]]
    if samples.cluster is not None:
        prove = partial(prove, units=units_of(samples, samples.cluster))
    found = [prove(risk, kept, sent)]
    if groups:
        members: dict[str, NDArray[np.intp]] = {"all samples": np.arange(len(samples))}
        for name in groups:
            if name not in samples.groups:
                raise ConfigError(one_of("group", name, samples.groups))
            for code, value in enumerate(samples.groups[name].values):
                rows = np.flatnonzero(samples.groups[name].codes == code)
                members[f"{name}={value}"] = rows
        who = f"all samples and every value of {', '.join(groups)}"
        found.append(prove(risk, kept, sent, members=members, who=who))
    last = found[-1]
    return Chosen(f"certificate of {loss}", last.cut, last.reason, tuple(found))
