"""Do the 95% intervals of a slice's damage hold it: one slice, drawn and judged without a search.

    OMP_NUM_THREADS=1 python benchmarks/slice_cover.py [--draws 1000]

What a search does cannot matter to the half that judges, so that half is drawn alone. Seeded. What
the columns mean stands above the table that it writes.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunescope.slices.damage import Target
from prunescope.slices.judge import judge
from seen import write_page

RESULTS = Path(__file__).parent / "results" / "slice_cover.md"
N, BASE, ANSWERS, IMAGES = 2_500, 0.04, 10, 10


@dataclass(frozen=True)
class Half:
    """One kind of half: `units` are in the slice."""

    units: int
    damage: float
    answers: int = ANSWERS
    persons: str = "none"
    alike: float = 0.0

    def draw(self, rng):
        """Return a target, who is in the slice, and the units."""
        sizes = {
            "none": lambda: np.ones(N, int),
            "even": lambda: np.full(N, IMAGES),
            "uneven": lambda: rng.geometric(1 / IMAGES, N),
        }[self.persons]()
        person = np.repeat(np.arange(N), sizes)[:N]
        n_persons = person[-1] + 1
        hurt = np.isin(np.arange(n_persons), rng.permutation(n_persons)[: self.units])
        chance = np.where(hurt, BASE + self.damage, BASE)
        if self.alike:
            scale = 1 / self.alike - 1
            chance = rng.beta(scale * chance, scale * (1 - chance))
        inside, flips = hurt[person], rng.binomial(self.answers, chance[person])
        answers = np.full(N, self.answers, np.float32)
        target = Target(None, flips.astype(np.int16), answers, np.float32(BASE) * answers)
        return target, inside, person.astype(np.uint64)

    @property
    def told(self):
        """The first columns of the table."""
        units = f"{self.units} {'images' if self.persons == 'none' else 'persons'}"
        units += {"none": "", "even": f" of {IMAGES} images each", "uneven": ", unevenly"}[
            self.persons
        ]
        return f"{units} | {self.answers} | {self.alike:g} | {100 * self.damage:g}"


HALVES = [
    *(Half(units, damage, 1) for units in (20, 50) for damage in (0.0, 0.1, 0.3)),
    *(
        Half(units, damage, persons=persons, alike=alike)
        for persons in ("none", "even", "uneven")
        for units in (20, 50)
        for alike in (0.1, 0.5, 0.9)
        for damage in (0.0, 0.2)
    ),
]

HEAD = """# Slices: do intervals hold the damage

`python benchmarks/slice_cover.py --draws {draws}`: {n:,} images of a half, so many draws of each row. An
answer flips with a chance of {base:.0%}, in the slice by *damage* in points more. Images, or
persons, differ: chances are drawn from a beta law whose variance is a share, *alike*, of that of a
yes or no (0: all have the same chance; 0.9: most lose all or nothing). *Unevenly*: images of a
person follow a geometric law of mean {images}. *Cover*: 95% intervals that hold the damage; *low end
above*, *high end below* it: those that do not. *p ≤ 0.05*: of a slice that is damaged no more than
others, asked: ≤ 5%.

| the slice | answers | alike | damage | cover | low end above | high end below | mean width, points | p ≤ 0.05 |
|---|---|---|---|---|---|---|---|---|
"""  # noqa: E501


def row(half, draws):
    """Draw and judge, and lay out what came."""
    rng = np.random.default_rng(2026)
    found = []
    for _ in range(draws):
        target, inside, units = half.draw(rng)
        one = judge(target, inside, np.ones(N, bool), units, rng=rng, draws=1_000)
        found.append((one.low, one.high, one.p_value))
    low, high, p = np.array(found).T
    above, below = (low > half.damage).mean(), (high < half.damage).mean()
    share = "–" if half.damage else f"{(p <= 0.05).mean():.1%}"
    return (
        f"| {half.told} | {1 - above - below:.1%} | {above:.1%} | {below:.1%} | "
        f"{100 * (high - low).mean():.1f} | {share} |\n"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=1_000)
    parser.add_argument("-o", type=Path, default=RESULTS)
    options = parser.parse_args()
    text = HEAD.format(draws=options.draws, n=N, base=BASE, images=IMAGES)
    for half in HALVES:
        text += row(half, options.draws)
        print(text.splitlines()[-1], flush=True)
    write_page(options.o, text)


if __name__ == "__main__":
    main()
