"""Worlds in which compression hurts a planted part of the images, and worlds in which it does not.

An image has traits; labels are traits above a threshold, answers are noisy traits. The compressed
model flips 4% of the dense model's answers by chance (churn): noise is added to logits or, where
churn is of the *other* shape, answers change sign the likelier the nearer they are to 0, and no
logit but theirs tells of it. In planted images it makes right answers wrong on top: harmful flips
rise by the *damage* in points of the answers, to one attribute or to all. Who is planted is seen
  in the embedding: a shift of its mean by four standard deviations in a direction of its own, or
  faintly, by two;
  in a conjunction: two or three terms on labels and metadata, one of them a number cut somewhere;
  nowhere: a coin's toss.
With persons, ten images share half of every latent's variance, churn goes by person too, and so
does who is planted, but in a conjunction. The chance of a harmful flip is known of every answer,
and a world has four times the images that an auditor is given: so the truth about any slice is
known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy.optimize import brentq
from scipy.stats import norm

from prunescope.data.samples import Group, Samples
from prunescope.predictions import Metadata, Predictions

CHURN = 0.04
APART = 4.0
HIDDEN = np.linspace(1.2, 0.6, 8)
OF_PERSON, IMAGES, OF_CHURN = 0.5, 10, 0.2
CAMERAS, SHARES = np.array(["a", "b", "c", "d", "e"]), [0.4, 0.25, 0.15, 0.12, 0.08]


@dataclass(frozen=True)
class Setting:
    """One kind of world.

    `damage` in points, `on` one attribute or all; `times` as many images as the `n` that an auditor
    is given.
    """

    seen: str = "nowhere"
    share: float = 0.05
    damage: float = 0.0
    on: str = "all"
    n: int = 5_000
    attributes: int = 10
    features: int = 64
    persons: bool = False
    shape: str = "noise"
    times: int = 4
    apart: float = APART

    def replace(self, **changes):
        """Return the same setting but for some fields."""
        return replace(self, **changes)

    @property
    def size(self):
        """Such as ``5,000 × 10 attributes × 64 features, by person``."""
        told = f"{self.n:,} × {self.attributes} attributes × {self.features} features"
        told += ", by person" if self.persons else ""
        return told + (", other churn" if self.shape == "other" else "")

    @property
    def planted(self):
        """Such as ``2%, 10 points on one, seen in a conjunction``."""
        where = {"embedding": "in the embedding", "conjunction": "in a conjunction"}
        seen = where.get(self.seen, self.seen) + ("" if self.apart == APART else ", faintly")
        return f"{self.share:.0%}, {self.damage:g} points on {self.on}, seen {seen}"


@dataclass(frozen=True)
class World:
    """What an auditor is given, and the truth.

    `given` (N,) are the images that an auditor gets; the others are of the same world, and say what
    is true of a slice beyond those. `extra` (N, A) is the chance that an answer becomes wrong by
    damage, beyond churn; `planted` (N,) says whom it meets.
    """

    dense: Predictions
    compressed: Predictions
    embedding: np.ndarray
    metadata: pl.DataFrame
    planted: np.ndarray
    extra: np.ndarray
    given: np.ndarray

    @property
    def harmful(self):
        """Share (N,) of an image's answers that were right and are wrong."""
        truth = self.dense.samples.labels == 1
        right = self.dense.decisions == truth
        return (right & (self.compressed.decisions != truth)).mean(axis=1)

    def excess(self, members, attribute=None):
        """Return the true damage beyond churn of members less that of others, of an answer."""
        extra = self.extra if attribute is None else self.extra[:, [int(attribute[1:])]]
        return extra[members].mean() - extra[~members].mean() if members.any() else np.nan


def world(setting, number):
    """Draw a world by its setting and number."""
    rng = np.random.default_rng([2026, number])
    n, size = setting.times * setting.n, setting.attributes
    person = np.arange(n) // IMAGES if setting.persons else np.arange(n)

    def latents(width, of_person=OF_PERSON):
        own = rng.standard_normal((n, width), np.float32)
        if not setting.persons:
            return own
        shared = rng.standard_normal((person[-1] + 1, width), np.float32)[person]
        return np.sqrt(1 - of_person) * own + np.sqrt(of_person) * shared

    threshold = norm.isf(np.linspace(0.1, 0.5, size))
    margin = np.sqrt(0.7) * latents(size) + np.sqrt(0.3) * latents(1) - threshold
    logits = 3 * (margin + 0.4 * latents(size))
    labels = margin > 0
    metadata = pl.DataFrame(
        {
            "id": pl.int_range(n, eager=True).cast(pl.String),
            "night": norm.cdf(latents(1)[:, 0]) < 0.3,
            "camera": CAMERAS[np.digitize(norm.cdf(latents(1)[:, 0]), np.cumsum(SHARES)[:-1])],
            "brightness": norm.cdf(latents(1)[:, 0]),
            "age": 40 + 12 * latents(1)[:, 0].astype(float),
        }
    )
    planted = plant(setting, number, rng, labels, metadata, person)
    hidden = HIDDEN * latents(len(HIDDEN))
    if setting.seen == "embedding":
        towards = rng.standard_normal(len(HIDDEN))
        hidden[planted] += setting.apart * towards / np.linalg.norm(towards)
    embedding = embed(rng, np.hstack([logits / 3, hidden]), setting.features)

    scale = churn_scale(logits, CHANCES[setting.shape])
    churn = CHANCES[setting.shape](logits, scale)
    right = (logits > 0) == labels
    hit = np.ones(size, bool) if setting.on == "all" else np.arange(size) == rng.integers(size)
    damaged = damage(setting, planted, hit, right, churn)
    noise = latents(size, OF_CHURN)
    told = logits * rng.uniform(0.2, 1, (n, size)).astype(np.float32)
    if setting.shape == "noise":
        after = logits + scale * noise
    else:
        after = np.where(norm.cdf(noise) < churn, -told, told)
    worse = ((after > 0) == (logits > 0)) & (rng.random((n, size)) < damaged)
    after = np.where(worse, -told, after)
    samples = Samples(
        metadata["id"],
        tuple(f"a{k}" for k in range(size)),
        labels.astype(np.int8),
        {"person": Group.from_series(pl.Series(person))} if setting.persons else {},
        cluster="person" if setting.persons else None,
    )
    return World(
        Predictions(samples, logits, Metadata(name="dense")),
        Predictions(samples, after.astype(np.float32), Metadata(name="compressed")),
        embedding,
        metadata,
        planted & (setting.damage > 0),
        (right * (1 - churn) * damaged).astype(np.float32),
        np.arange(n) < setting.n,
    )


def plant(setting, number, rng, labels, metadata, person):
    """Choose who is planted; whole persons where no column tells."""
    n_planted = round(setting.share * len(person))
    if setting.seen != "conjunction":
        persons = rng.permutation(person[-1] + 1)
        return np.isin(person, persons[: round(setting.share * len(persons))])
    flag = labels[:, int(rng.integers(setting.attributes // 2, setting.attributes))]
    among = [
        flag,
        (metadata["camera"] == "c").to_numpy(),
        flag & ~metadata["night"].to_numpy(),
    ][number % 3]
    order = np.where(among, metadata["brightness"].to_numpy(), np.inf)
    return order <= np.partition(order, n_planted - 1)[n_planted - 1]


def embed(rng, factors, features):
    """Mix factors (N, R) into features (N, D), with noise."""
    mixing = np.linalg.qr(rng.standard_normal((features, features)))[0]
    width = min(factors.shape[1], features)
    noise = 0.3 * rng.standard_normal((len(factors), features), np.float32)
    return (factors[:, -width:] @ mixing[:width] + noise).astype(np.float32)


CHANCES = {
    "noise": lambda logits, scale: norm.cdf(-np.abs(logits) / scale),
    "other": lambda logits, scale: 0.5 * np.exp(-np.abs(logits) / scale),
}
"""Chance that an answer flips by churn."""


def churn_scale(logits, chance):
    """Return the scale at which CHURN of the answers flip."""
    return brentq(lambda scale: chance(logits, scale).mean() - CHURN, 1e-3, 50, xtol=1e-3)


def damage(setting, planted, hit, right, churn):
    """Return the chance (N, A) that an answer that churn leaves flips for being planted.

    It is the same for all planted answers, and such that harmful flips rise by the damage.
    """
    meets = planted[:, None] & hit & right
    total = setting.damage / 100 * planted.sum() * hit.sum()
    return meets * min(1, total / max((meets * (1 - churn)).sum(), 1e-9))
