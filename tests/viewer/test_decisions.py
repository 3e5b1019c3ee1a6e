"""What is confirmed stays, whoever writes at the same time, and whenever a writer is killed."""

import contextlib
import threading
import time
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.errors import DataError
from prunescope.viewer.decisions import EXPORT_SCHEMA, Decisions


def clock():
    start = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    ticks = iter(range(10**6))
    return lambda: start + timedelta(seconds=next(ticks))


def said(decisions):
    return decisions.table().select("id", "attribute", "answer", "by").rows()


def test_a_decision_is_a_line_of_json_with_who_and_when(tmp_path):
    path = tmp_path / "new" / "decisions.jsonl"
    decisions = Decisions(path, clock())
    decisions.add('a "b"\n', "Bald", "yes", by="ada", label=True)
    assert path.read_text() == (
        '{"id":"a \\"b\\"\\n","attribute":"Bald","answer":"yes","by":"ada",'
        '"at":"2026-01-02T03:04:05Z","label":true}\n'
    )
    assert said(Decisions(path)) == [('a "b"\n', "Bald", "yes", "ada")]


def test_a_table_has_a_row_per_item_with_its_last_answer(tmp_path):
    decisions = Decisions(tmp_path / "d.jsonl", clock())
    decisions.add("1", "Bald", "yes", by="ada", label=False)
    decisions.add("2", "Bald", "no", by="ada", label=None)
    decisions.add("1", "Bald", "unsure", by="ada", label=False)
    table = decisions.table()
    assert table.schema == pl.Schema(EXPORT_SCHEMA)
    assert table.drop("at").rows() == [
        ("1", "Bald", "unsure", False, "ada", None),
        ("2", "Bald", "no", None, "ada", None),
    ]
    assert table["at"].dt.second().to_list() == [7, 6]


@pytest.mark.parametrize(
    ("label", "answers", "agreed"),
    [
        (True, ["yes", "yes"], "yes"),
        (True, ["yes", "unsure"], "yes"),
        (True, ["yes", "no"], "unsure"),
        (True, ["unsure", "unsure"], "unsure"),
        (True, ["label_wrong", "no"], "label_wrong"),
        (False, ["label_wrong", "yes"], "label_wrong"),
        (False, ["label_wrong", "no"], "unsure"),
        (True, ["label_wrong", "yes"], "unsure"),
    ],
)
def test_reviewers_agree_or_the_answer_is_unsure(tmp_path, label, answers, agreed):
    decisions = Decisions(tmp_path / "d.jsonl", clock())
    for who, answer in zip(("ada", "bob"), answers, strict=True):
        decisions.add("1", "Bald", answer, by=who, label=label)
    [row] = decisions.table().rows(named=True)
    assert (row["answer"], row["by"]) == (agreed, "ada, bob")
    disagree = agreed == "unsure" and "unsure" not in answers
    assert row["note"] == (f"ada: {answers[0]}; bob: {answers[1]}" if disagree else None)


def test_undo_goes_back_step_by_step_and_only_over_ones_own(tmp_path):
    decisions = Decisions(tmp_path / "d.jsonl", clock())
    decisions.add("1", "Bald", "yes", by="ada", label=True)
    decisions.add("1", "Bald", "no", by="ada", label=True)
    decisions.add("1", "Bald", "unsure", by="bob", label=True)
    assert decisions.undo("ada").answer == "no"
    assert decisions.of(("1", "Bald"))["ada"].answer == "yes"
    assert decisions.undo("ada").answer == "yes"
    assert set(decisions.of(("1", "Bald"))) == {"bob"}
    assert decisions.undo("ada") is None
    again = Decisions(decisions.path)
    assert said(again) == said(decisions) == [("1", "Bald", "unsure", "bob")]
    assert again.undo("ada") is None
    again.undo("bob")
    assert again.table().is_empty()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ada", "bob"]),
        st.sampled_from(["1", "2"]),
        st.sampled_from(["yes", "no", None]),
    ),
    max_size=14,
)


@settings(max_examples=30)
@given(steps=STEPS)
def test_any_history_reads_back_and_undoes_as_a_list_would(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("history") / "d.jsonl"
    decisions = Decisions(path)
    histories = {"ada": [], "bob": []}
    for who, item, answer in steps:
        if answer is None:
            decisions.undo(who)
            histories[who] = histories[who][:-1]
        else:
            decisions.add(item, "Bald", answer, by=who, label=None)
            histories[who].append((item, answer))
    expected = {
        (item, who): answer for who, history in histories.items() for item, answer in history
    }
    for found in (decisions, Decisions(path)):
        kept = {
            (item, who): one.answer
            for item in ("1", "2")
            for who, one in found.of((item, "Bald")).items()
        }
        assert kept == expected


def test_two_writers_on_one_file_see_each_other(tmp_path):
    one, other = (Decisions(tmp_path / "d.jsonl") for _ in range(2))
    one.add("1", "Bald", "yes", by="ada", label=None)
    other.add("2", "Bald", "no", by="bob", label=None)
    one.refresh()
    assert said(one) == said(other)
    assert one.counts == {"ada": 1, "bob": 1}
    assert one.decided == {("1", "Bald"), ("2", "Bald")}


def test_a_cut_off_line_was_never_confirmed_and_goes(tmp_path):
    path = tmp_path / "d.jsonl"
    Decisions(path).add("1", "Bald", "yes", by="ada", label=None)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    decisions = Decisions(path)
    assert len(decisions.decided) == 1
    decisions.add("2", "Bald", "no", by="ada", label=None)
    assert path.read_bytes().count(b"\n") == 2
    assert said(Decisions(path)) == [("1", "Bald", "yes", "ada"), ("2", "Bald", "no", "ada")]


def test_a_line_that_is_no_decision_is_named(tmp_path):
    path = tmp_path / "d.jsonl"
    Decisions(path).add("1", "Bald", "yes", by="ada", label=None)
    path.write_text(path.read_text() + '{"id": "2", "answer": "maybe"}\n')
    with pytest.raises(DataError, match=r"line 2 is no decision: .*answer.*'maybe'.*mend the line"):
        Decisions(path)


def test_a_file_that_was_replaced_is_read_anew(tmp_path):
    path, other = tmp_path / "d.jsonl", tmp_path / "o.jsonl"
    decisions = Decisions(path)
    decisions.add("1", "Bald", "yes", by="ada", label=None)
    decisions.add("2", "Bald", "yes", by="ada", label=None)
    Decisions(other).add("3", "Bald", "no", by="bob", label=None)
    other.replace(path)
    decisions.refresh()
    assert said(decisions) == [("3", "Bald", "no", "bob")]
    path.unlink()
    decisions.refresh()
    assert said(decisions) == []


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    decisions = Decisions(tmp_path / "d.jsonl")
    decisions.path.mkdir()
    with pytest.raises(DataError, match=r"d\.jsonl cannot be read"):
        decisions.add("1", "Bald", "yes", by="ada", label=None)


def test_many_threads_lose_nothing(tmp_path):
    decisions = Decisions(tmp_path / "d.jsonl")

    def review(who):
        for number in range(20):
            decisions.add(str(number), "Bald", "yes", by=who, label=None)

    threads = [threading.Thread(target=review, args=(f"r{k}",)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Decisions(decisions.path).counts == {f"r{k}": 20 for k in range(8)}


WRITER = """
from prunescope.viewer.decisions import Decisions
decisions = Decisions(path)
number = 0
while True:
    decisions.add(f"{who}-{number}", "Bald", "yes", by=who, label=None)
    told.send(f"{who}-{number}")
    number += 1
"""


def test_a_killed_writer_loses_no_confirmed_decision(tmp_path, forks):
    path = tmp_path / "d.jsonl"
    confirmed = set()
    for delay in (0.05, 0.3):
        writers = []
        for k in range(2):
            heard, told = forks.Pipe(duplex=False)
            given = {"path": path, "who": f"w{delay}-{k}", "told": told}
            writers.append((forks.Process(target=exec, args=(WRITER, given)), heard))
            writers[-1][0].start()
            told.close()
        for _, heard in writers:
            confirmed.add(heard.recv())
        time.sleep(delay)
        for writer, _ in writers:
            writer.kill()
        for writer, heard in writers:
            with heard, contextlib.suppress(EOFError):
                while True:
                    confirmed.add(heard.recv())
            writer.join()
    kept = {key for key, _ in Decisions(path).decided}
    assert confirmed <= kept
    assert len(kept - confirmed) <= 4  # written, and killed before it was told
    assert len(confirmed) > 4  # more than the first of each
