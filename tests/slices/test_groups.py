"""Slices as groups of other data."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import prunescope as ps
from prunescope.data.samples import Group
from prunescope.errors import DataError
from prunescope.slices import SliceRules, add_groups, find_slices
from prunescope.slices.rules import Feature

AGE = {"kind": "metadata", "name": "age"}


@pytest.fixture(scope="module")
def rules(planted):
    return find_slices(planted.dense, planted.sparse).rules


def test_a_found_slice_is_a_group_of_other_data(rules, tmp_path, world):
    rules.save(tmp_path / "rules.json")
    read = SliceRules.load(tmp_path / "rules.json")
    assert read == rules
    other = world(9)
    bare = replace(other.dense.samples, groups={"hut": other.dense.samples.groups["hat"]})
    with pytest.raises(DataError, match="do not tell hat"):
        read.groups(replace(other.dense, samples=bare))
    assert (
        read.groups(other.dense)["slice 1: hat"].codes.tolist() == other.hurt.astype(int).tolist()
    )


def test_members_are_those_that_were_found(planted, rules):
    named = SliceRules(dense="dense", rules={"in hats": rules.rules["slice 1: hat"]})
    dense, sparse = add_groups(named, [planted.dense, planted.sparse.take(np.arange(100)[::-1])])
    assert dense.samples.groups["in hats"].codes.tolist() == planted.hurt.astype(int).tolist()
    assert sparse.samples.groups["in hats"].codes.tolist() == (
        planted.hurt[:100][::-1].astype(int).tolist()
    )
    table = ps.audit(*add_groups(named, [planted.dense, planted.sparse]), replicates=0).table
    told = table.filter(metric="harmful_flip_rate", group="in hats", attribute="a0", model="sparse")
    assert told.sort("group_value")["value"].to_list() == pytest.approx([0.02, 0.2], abs=0.05)


def test_what_is_unknown_stays_unknown(planted, rules):
    hat = Group(np.full(3000, -1, np.int32), (False, True))
    blind = replace(planted.dense, samples=replace(planted.dense.samples, groups={"hat": hat}))
    named = SliceRules(dense="dense", rules={"in hats": rules.rules["slice 1: hat"]})
    assert set(named.groups(blind)["in hats"].codes.tolist()) == {-1}


def test_what_does_not_fit_is_refused(planted, rules):
    with pytest.raises(DataError, match="has a group slice 1: hat already"):
        add_groups(rules, add_groups(rules, [planted.dense]))
    bare = replace(planted.dense, samples=replace(planted.dense.samples, groups={}))
    with pytest.raises(DataError, match="do not tell hat, which the slices ask for"):
        rules.groups(bare)
    named = SliceRules(dense="dense", rules={"in hats": rules.rules["slice 1: hat"]})
    strangers = planted.sparse.take(np.arange(100))
    ids = strangers.samples.ids + "x"
    strangers = replace(strangers, samples=replace(strangers.samples, ids=ids))
    with pytest.raises(DataError, match="100 samples that dense has not"):
        add_groups(named, [planted.dense, strangers])


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format_version": 2}', '{"format_version": 1, "dense": "d"}', "\x00"]
)
def test_files_that_are_none(text, tmp_path):
    path = tmp_path / "rules.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"rules\.json: expected what 'prunescope slices"):
        SliceRules.load(path)


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ([], "at least 1 item"),
        ([{"feature": AGE, "test": "below", "value": "old"}], "'below' asks for a number"),
        ([{"feature": AGE, "test": "from", "value": True}], "'from' asks for a number"),
        ([{"feature": {"kind": "?" * 9999, "name": "a"}, "test": "is", "value": 1}], "kind"),
    ],
)
def test_rules_that_make_no_sense(terms, why, tmp_path):
    path = tmp_path / "rules.json"
    told = {"format_version": 1, "dense": "d", "rules": {"old": {"terms": terms}}}
    path.write_text(json.dumps(told))
    with pytest.raises(DataError, match=why) as caught:
        SliceRules.load(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="does not exist: expected what"):
        SliceRules.load(tmp_path / "none.json")


def test_a_label_and_a_group_of_one_name_are_two_rules(planted):
    """Whom a label says to wear hats, and whom a group: rules read alike, and both are kept."""
    found = find_slices(planted.dense, planted.sparse)
    [(name, of_group)] = found.rules.rules.items()
    label = of_group.model_copy(
        update={"terms": (of_group.terms[0].model_copy(update={"feature": Feature(
            kind="metadata", name="hat")}),)}
    )  # fmt: skip
    first = found.info.slices[0]
    info = found.info.model_copy(update={"slices": [
        first, first.model_copy(update={"slice": 2, "rule": label}),
        first.model_copy(update={"slice": 3}),
    ]})  # fmt: skip
    table = pl.concat([found.found.with_columns(slice=pl.lit(n, pl.Int64)) for n in (1, 2, 3)])
    rules = replace(found, info=info, table=table).rules.rules
    assert rules == {name: of_group, "slice 2: hat": label}


def test_rules_are_plain_data(rules, tmp_path):
    rules.save(tmp_path / "rules.json")
    told = json.loads((tmp_path / "rules.json").read_text())
    [term] = told["rules"]["slice 1: hat"]["terms"]
    assert term == {"feature": {"kind": "group", "name": "hat"}, "test": "is", "value": True}
    assert isinstance(pl.Series([term["value"]]).dtype, type(pl.Boolean()))
