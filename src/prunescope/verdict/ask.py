"""`verdict`: may the compressed models be shipped? From an audit, or from what it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prunescope.audit import Audit
from prunescope.audit import audit as compare
from prunescope.errors import ConfigError
from prunescope.verdict.of_models import Verdict
from prunescope.verdict.policy import Policy, shipped


def verdict(
    audit: Audit | str | Path | None = None,
    *,
    policy: Policy | str | Path | None = None,
    models: Sequence[str] | None = None,
    **given: Any,  # noqa: ANN401 - the arguments of audit
) -> Verdict:
    """Say whether the compressed models may be shipped, and why.

    Parameters
    ----------
    audit : Audit or path, optional
        The folder of one that was saved, or an audit at hand; without it, it is made of `given`.
    policy : Policy or path, optional
        What a model has to keep to be shipped; default: the shipped one.
    models : sequence of str, optional
        Names of those to judge; default: all compressed models.
    **given
        The arguments of `prunescope.audit`: dense, compressed, labels, ...

    Raises
    ------
    DataError, ConfigError
        As `prunescope.audit` and `Policy.judge` do.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 2, (400, 1))
    >>> dense = labels * 4.0 - 2.0 + rng.normal(0, 1, labels.shape)
    >>> found = verdict(
    ...     dense=dense, compressed={"int4": -dense}, labels=labels, attributes=["Smiling"]
    ... )
    >>> found.answers
    {'int4': 'stop'}
    """
    if audit is None:
        audit = compare(**given)
    elif given:
        raise ConfigError(
            f"{', '.join(given)}: an audit is given, which was made already; give one of both"
        )
    elif isinstance(audit, str | Path):
        audit = Audit.load(audit)
    chosen = shipped() if policy is None else policy
    if isinstance(chosen, str | Path):
        chosen = Policy.load(chosen)
    return chosen.judge(audit, models)
