"""Rules: what they hold of, how they read, what they refuse."""

import itertools

import numpy as np
import polars as pl
import pytest

from prunescope.data.samples import Group
from prunescope.errors import DataError
from prunescope.slices.rules import Feature, Rule, Term

HAT = Feature(kind="label", name="hat")
AGE = Feature(kind="metadata", name="age")
TOWN = Feature(kind="group", name="town")
COLUMNS = {
    HAT: Group.from_series(pl.Series([True, False, None])),
    AGE: np.array([70.0, np.nan, 30.0]),
    TOWN: Group.from_series(pl.Series(["a", "b", None])),
}


def rule(*terms: tuple[Feature, str, object]) -> Rule:
    return Rule(terms=tuple(Term(feature=f, test=t, value=v) for f, t, v in terms))


@pytest.mark.parametrize(
    ("terms", "inside", "known"),
    [
        ([(HAT, "is", True)], [1, 0, 0], [1, 1, 0]),
        ([(HAT, "is", False)], [0, 1, 0], [1, 1, 0]),
        ([(AGE, "below", 50)], [0, 0, 1], [1, 0, 1]),
        ([(AGE, "from", 70.0)], [1, 0, 0], [1, 0, 1]),
        ([(TOWN, "is", "nowhere")], [0, 0, 0], [1, 1, 0]),
        # Of the second sample the age is not known, but its hat denies the rule; of the third the
        # hat is not known, and its age does not deny it.
        ([(HAT, "is", True), (AGE, "from", 20.0)], [1, 0, 0], [1, 1, 0]),
        ([(HAT, "is", True), (AGE, "from", 50.0)], [1, 0, 0], [1, 1, 1]),
    ],
)
def test_holds(terms: list, inside: list[int], known: list[int]):
    found = rule(*terms).holds(COLUMNS)
    assert found[0].tolist() == list(map(bool, inside))
    assert found[1].tolist() == list(map(bool, known))


def test_three_valued_logic_is_kleenes():
    values = [True, False, None]
    pairs = list(itertools.product(values, values))
    columns = {
        Feature(kind="label", name=name): Group.from_series(pl.Series([pair[at] for pair in pairs]))
        for at, name in enumerate("ab")
    }
    both = Rule(terms=tuple(Term(feature=one, test="is", value=True) for one in columns))
    inside, known = both.holds(columns)
    expected = pl.DataFrame(pairs, schema=["a", "b"], orient="row").select(
        pl.col("a") & pl.col("b")
    )
    assert pl.Series(np.where(known, inside, None).tolist(), dtype=pl.Boolean).to_list() == (
        expected.to_series().to_list()
    )


def test_true_is_not_one():
    counted = {TOWN: Group.from_series(pl.Series([0, 1, 2]))}
    assert not rule((TOWN, "is", True)).holds(counted)[0].any()
    assert rule((TOWN, "is", 1)).holds(counted)[0].tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("feature", "test", "value", "words"),
    [
        (HAT, "is", True, "hat"),
        (HAT, "is", False, "not hat"),
        (TOWN, "is", "a", "town a"),
        (AGE, "below", 49.96, "age below 50"),
        (Feature(kind="answer", name="hat"), "is", False, "dense says not hat"),
        (Feature(kind="answer", name="class"), "is", "dog", "dense says dog"),
        (Feature(kind="label", name="class"), "is", "dog", "class dog"),
        (Feature(kind="sure", name="hat"), "below", 0.9, "dense sure of hat below 0.9"),
        (Feature(kind="cluster", name="16"), "is", 3, "cluster 3 of 16"),
        (Feature(kind="direction", name="2"), "from", 1.5, "direction 2 from 1.5"),
    ],
)
def test_words(feature: Feature, test: str, value: object, words: str):
    assert str(rule((feature, test, value))) == words


def test_it_survives_json():
    made = rule((HAT, "is", True), (TOWN, "is", "1"), (AGE, "below", 3), (AGE, "from", 0.5))
    assert Rule.model_validate_json(made.model_dump_json()) == made


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(DataError, match="asks for shoe size, which is not told"):
        rule((Feature(kind="metadata", name="shoe size"), "below", 40)).holds(COLUMNS)
    with pytest.raises(DataError, match="cannot be asked of town: it holds values"):
        rule((TOWN, "below", 3)).holds(COLUMNS)
    with pytest.raises(DataError, match="cannot be asked of age: it holds numbers"):
        rule((AGE, "is", "3")).holds(COLUMNS)


def test_whole_numbers_are_asked_alike_however_many_there_are():
    """Few of them are a category, many are numbers: other data may have the other kind."""
    few = Group.from_series(pl.Series([3, 70, None, 50]))
    many = np.array([3.0, 70.0, np.nan, 50.0])
    for asked in ((AGE, "below", 60.0), (AGE, "from", 60), (AGE, "is", 70)):
        [told, same] = [rule(asked).holds({AGE: one}) for one in (few, many)]
        np.testing.assert_array_equal(told, same)
        assert told[1].tolist() == [True, True, False, True]
    nothing = Group.from_series(pl.Series([None, None]))
    assert not rule((AGE, "below", 60.0)).holds({AGE: nothing})[1].any()
