"""Every view, against loops over all answers."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.errors import ConfigError
from prunescope.viewer.select import Selector, _first
from prunescope.viewer.view import SORTS, View

NAMES = ("Bald", "<b>Hat</b>", '=Odd & "even"')
TOWN = '"a ""town"", or"'
VIEWS = st.builds(
    View,
    model=st.sampled_from([None, "sparse-0", "sparse-1", "dense-1"]),
    against=st.sampled_from([None, "dense-1"]),
    attribute=st.sampled_from([None, *NAMES]),
    label=st.sampled_from([None, "yes", "no", "unlabelled"]),
    dense=st.sampled_from([None, "yes", "no"]),
    compressed=st.sampled_from([None, "yes", "no"]),
    flip=st.sampled_from([None, "any", "harmful", "helpful", "none"]),
    p_min=st.sampled_from([0.0, 0.1]),
    p_max=st.sampled_from([1.0, 0.9]),
    group=st.sampled_from([(), "Male=True", ("Male=True", f'{TOWN}="x, y"'), (f"{TOWN}=z",)]),
    riskiest=st.sampled_from([None, 0.2]),
    cie=st.booleans(),
    id=st.sampled_from([None, "1 é"]),
    sort=st.sampled_from(list(SORTS)),
    order=st.sampled_from(["asc", "desc"]),
)


def every(collection, view):
    """Yield (row, column, score) of each answer that a view is about, by brute force."""
    samples, models = collection.samples, collection.models
    name = view.model or collection.report.featured
    if name not in models:  # a population: its first member stands for it
        name = next(n for n, population in collection.populations.items() if population == name)
    compressed = models[name]
    dense = models[view.against or compressed.baseline or "dense-0"]
    risk = collection.risk.risk
    cut = np.sort(risk.ravel())[::-1][round(0.2 * risk.size) - 1]
    cies = {
        (row["id"], row["attribute"])
        for row in collection.audit.cies.rows(named=True)
        if row["definition"] == "modal" and row["model"] == collection.populations[name]
    }
    town = samples.groups['a "town", or']
    for row, column in itertools.product(range(len(samples)), range(len(NAMES))):
        key, attribute = samples.ids[row], NAMES[column]
        label = {1: "yes", 0: "no", -1: "unlabelled"}[int(samples.labels[row, column])]
        before, after = ("yes" if m.yes[row, column] else "no" for m in (dense, compressed))
        p, q = dense.probability[row, column], compressed.probability[row, column]
        flip = {
            None: True,
            "any": before != after,
            "none": before == after,
            "harmful": before != after and label == before,
            "helpful": before != after and label == after,
        }
        group = {
            "Male=True": samples.groups["Male"].codes[row] == 1,
            f'{TOWN}="x, y"': town.values[town.codes[row]] == "x, y",
            f"{TOWN}=z": town.values[town.codes[row]] == "z",
        }
        if not (
            view.attribute in (None, attribute)
            and view.label in (None, label)
            and view.dense in (None, before)
            and view.compressed in (None, after)
            and flip[view.flip]
            and view.p_min <= p <= view.p_max
            and all(group[one] for one in view.group)
            and (view.riskiest is None or risk[row, column] >= cut)
            and (not view.cie or (key, attribute) in cies)
            and (view.id is None or view.id in key)
        ):
            continue
        score = {
            "change": abs(q - p),
            "flips": (dense.yes[row] != compressed.yes[row]).sum() + abs(q - p) / 2,
            "risk": risk[row, column],
            "margin": dense.doubt[row, column],
            "dense": p,
            "compressed": q,
            "file": -row,
        }[view.sort]
        yield row, column, np.float32(-score if view.order == "asc" else score)


@settings(max_examples=150)
@given(view=VIEWS)
def test_samples_and_queue_are_those_of_a_loop_over_all_answers(collection, view):
    selector = Selector(collection)
    answers = sorted(every(collection, view), key=lambda a: (-a[2], a[0], a[1]))
    first = {}
    for row, column, _ in answers:
        first.setdefault(row, (row, column))
    chosen, queue = selector.samples(view), selector.queue(view)
    assert list(zip(chosen.rows, chosen.columns, strict=True)) == list(first.values())
    assert list(zip(queue.rows, queue.columns, strict=True)) == [a[:2] for a in answers]


def test_pages_are_the_parts_of_a_whole(collection):
    chosen = Selector(collection).samples(View())
    parts = [chosen.part(page, 7) for page in range(1, 11)]
    assert np.concatenate([part.rows for part in parts]).tolist() == chosen.rows.tolist()
    assert [len(part) for part in parts] == [7] * 8 + [4, 0]


def test_a_queue_is_cut_at_its_greatest_length(collection, monkeypatch):
    whole = Selector(collection).queue(View())
    monkeypatch.setattr("prunescope.viewer.select.LONGEST_QUEUE", 25)
    cut = Selector(collection).queue(View())
    assert cut.rows.tolist() == whole.rows[:25].tolist()
    assert cut.columns.tolist() == whole.columns[:25].tolist()


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_the_first_are_the_highest_and_of_equals_the_earliest(n):
    scores = np.array([1, 3, 2, 3, 2], np.float32)
    order = sorted(range(5), key=lambda i: (-scores[i], i))[:n]
    assert sorted(_first(scores, n).tolist()) == sorted(order)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"model": "sparse-9"}, "unknown model 'sparse-9': did you mean sparse-"),
        ({"against": "x"}, "unknown model 'x'"),
        ({"attribute": "bald"}, "unknown attribute 'bald': did you mean Bald"),
        ({"group": "Mole=True"}, "unknown group 'Mole': did you mean Male"),
        ({"group": "Male=true"}, "unknown value of Male 'true': did you mean True"),
        ({"group": "Male"}, "group 'Male': expected GROUP=VALUE"),
        ({"group": "attribute:Bald"}, "expected GROUP=VALUE"),
        ({"group": ("Male=True", "Male=False")}, "group Male twice: a sample has one value of it"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(collection, asked, message):
    with pytest.raises(ConfigError, match=message):
        Selector(collection).samples(View(**asked))


def test_risk_takes_a_forecast(collection):
    selector = Selector(replace(collection, risk=None))
    for asked in ({"sort": "risk"}, {"riskiest": 0.1}):
        with pytest.raises(ConfigError, match="no forecast was given"):
            selector.samples(View(**asked))


def test_a_class_that_changed_is_an_exemplar_in_both_its_columns(classes):
    [model] = [m for m in classes.compressed if m.name == "sparse-0"]
    exemplars = classes.exemplars(model)
    listed = classes.audit.cies.filter(definition="modal")
    assert listed.height > 0
    for row in listed.rows(named=True):
        at = classes.rows[row["id"]]
        for name in (row["dense"], row["compressed"]):
            assert exemplars[at, classes.columns[name]]
