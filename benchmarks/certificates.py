"""How often certificates fail, and how much they send, in simulated samples of known populations.

    python benchmarks/certificates.py

1,000 samples of each population; a certificate fails if the true loss at its cut exceeds alpha.
Beside the tests that prunescope uses stands the bound of Hoeffding and Bentkus, which does not look
at the variance. `sent` is the mean share of answers that a certified cut sends, `best` the share
that a cut sends which knows the true losses.
"""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
from scipy.stats import binom

from prunescope.mitigate import certificate
from prunescope.mitigate.certificate import CUTS, certify, sample_losses
from seen import write_page

SIMULATIONS, SEED = 1000, 0
ALPHA, DELTA = 0.05, 0.1
FACTORS = (0.45, 0.9)
"""How likely an answer at the threshold is wrong, in each of two groups."""


def margins(rng, n, a):
    return -abs(rng.normal(0, 2, (n, a)))


def one(rng, n):
    risk = margins(rng, n, 1)
    return risk, rng.random((n, 1)) < FACTORS[0] * np.exp(risk), {}


def forty(rng, n):
    hard = rng.normal(0, 0.5, (n, 1))
    risk = margins(rng, n, 40)
    return risk, rng.random((n, 40)) < np.minimum(0.4 * np.exp(risk + hard), 1), {}


def people(rng, n):
    unit = rng.integers(0, n // 4, n)
    hard = rng.normal(0, 0.7, n // 4)[unit, None]
    risk = margins(rng, n, 5)
    wrong = rng.random((n, 5)) < np.minimum(0.4 * np.exp(risk + hard), 1)
    return risk, wrong, {"units": unit}


def groups(rng, n):
    second = rng.random(n) < 0.3
    risk = margins(rng, n, 1)
    factor = np.where(second, FACTORS[1], FACTORS[0])[:, None]
    members = {"first": np.flatnonzero(~second), "second": np.flatnonzero(second)}
    return risk, rng.random((n, 1)) < factor * np.exp(risk), {"members": members}


POPULATIONS = {
    "one attribute, 300 images": (one, 300),
    "one attribute, 3,000 images": (one, 3000),
    "40 attributes, 300 images": (forty, 300),
    "40 attributes, 3,000 images": (forty, 3000),
    "5 attributes, 1,200 images of 300 people": (people, 1200),
    "one attribute, two groups at once, 600 images": (groups, 600),
}


def hoeffding_bentkus(losses, alpha, delta):
    """Return p-values of mean > alpha that hold for any loss in [0, 1]."""
    n, mean = len(losses), np.minimum(losses.mean(axis=0), alpha)
    with np.errstate(divide="ignore", invalid="ignore"):
        h = np.where(mean > 0, mean * np.log(mean / alpha), 0)
        h = h + (1 - mean) * np.log((1 - mean) / (1 - alpha))
    bentkus = np.e * binom.cdf(np.ceil(losses.sum(axis=0)), n, alpha)
    return np.minimum(np.exp(-n * h), bentkus)


def truth(draw):
    """Return the largest true loss over groups at each cut, and the share that each sends."""
    risk, wrong, more = draw(np.random.default_rng(10_000), 100_000)
    losses = sample_losses(risk, wrong.astype(float), np.zeros(wrong.shape))
    if "units" in more:  # each person counts alike
        weight = 1 / np.bincount(more["units"])[more["units"]]
        worst = (losses * weight[:, None]).sum(axis=0) / weight.sum()
    else:
        parts = more.get("members", {"": np.arange(len(losses))}).values()
        worst = np.max([losses[rows].mean(axis=0) for rows in parts], axis=0)
    return worst, np.array([(risk >= cut).mean() for cut in CUTS])


def simulate(draw, n, test=None):
    """Return how many certificates fail, and the mean share that is sent."""
    worst, sends = truth(draw)
    rng = np.random.default_rng([SEED, n])
    usual = certificate.betting_p_values, certificate.binomial_p_values
    if test is not None:
        certificate.betting_p_values = test
        certificate.binomial_p_values = lambda losses, alpha: test(losses, alpha, DELTA)
    failed, sent = 0, []
    try:
        for _ in range(SIMULATIONS):
            risk, wrong, more = draw(rng, n)
            wrong = wrong.astype(float)
            found = certify(risk, wrong, 0 * wrong, loss="d", alpha=ALPHA, delta=DELTA, **more)
            place = 0 if found.cut is None else int(np.searchsorted(CUTS, found.cut))
            failed += worst[place] > ALPHA
            sent.append(sends[place])
    finally:
        certificate.betting_p_values, certificate.binomial_p_values = usual
    return failed, float(np.mean(sent)), float(sends[np.flatnonzero(worst <= ALPHA)[-1]])


def main():
    lines = [
        f"{SIMULATIONS:,} samples of each population; alpha {ALPHA}, delta {DELTA}, so that at "
        f"most {DELTA:.0%} may fail; {platform.machine()}, seed {SEED}",
        "",
        "| population | failed | sent | best | Hoeffding and Bentkus: failed | sent |",
        "|---|---|---|---|---|---|",
    ]
    for name, (draw, n) in POPULATIONS.items():
        failed, sent, best = simulate(draw, n)
        other, more, _ = simulate(draw, n, hoeffding_bentkus)
        lines.append(
            f"| {name} | {failed / SIMULATIONS:.1%} | {sent:.1%} | {best:.1%} | "
            f"{other / SIMULATIONS:.1%} | {more:.1%} |"
        )
        print(lines[-1], flush=True)
    write_page(Path(__file__).parent / "results" / "certificates.md", "\n".join(lines))


if __name__ == "__main__":
    main()
