"""Who is asked about what: one item at a time, none to two, also between processes."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from prunescope.errors import DataError
from prunescope.viewer.decisions import Decisions
from prunescope.viewer.holds import HELD, Holds
from prunescope.viewer.queue import Queue
from prunescope.viewer.select import Selector
from prunescope.viewer.view import View

BALD = View(attribute="Bald")


class Clock:
    now = 1e9

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def viewers(collection, tmp_path, clock):
    """Return two queues with nothing in common but a file, as those of two processes."""
    path = tmp_path / "kept" / "decisions.jsonl"
    return [Queue(Selector(collection), Decisions(path), clock) for _ in range(2)]


def test_what_one_viewer_gives_out_the_other_does_not(viewers):
    one, other = viewers
    assert [one.next(BALD, "a", hold=True), other.next(BALD, "b", hold=True)] == [0, 1]
    assert one.next(BALD, "c", hold=False) == other.next(BALD, "c", hold=False) == 2
    assert other.next(BALD, "a", hold=True) == 0  # a session is given its own again
    assert other.next(BALD, "a", after=4, hold=True) == 5
    assert one.next(BALD, "c", hold=True) == 0  # and holds one item, not two


def test_an_item_is_held_for_two_minutes(viewers, clock):
    one, other = viewers
    assert one.next(BALD, "a", hold=True) == 0
    clock.now += HELD - 1
    assert other.next(BALD, "b", hold=True) == 1
    clock.now += 2
    assert other.next(BALD, "c", hold=True) == 0


def test_what_was_decided_elsewhere_is_passed_over_at_once(viewers, collection, tmp_path):
    one, other = viewers
    key = one.key(Selector(collection).queue(BALD), 0)
    Decisions(tmp_path / "kept" / "decisions.jsonl").add(*key, "yes", by="cyd", label=None)
    assert other.next(BALD, "b", hold=True) == 1


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"a": 1}', b"\xff\xfe", b'{"a": [["x"], 1]}'])
def test_a_damaged_file_of_holds_holds_nothing(viewers, tmp_path, text):
    one, other = viewers
    one.next(BALD, "a", hold=True)
    path = tmp_path / "kept" / "decisions.jsonl.held"
    path.write_bytes(text)
    assert other.next(BALD, "b", hold=True) == 0
    assert one.next(BALD, "a", hold=True) == 1


def test_what_cannot_be_held_is_told(viewers, tmp_path):
    (tmp_path / "kept").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="cannot write"):
        viewers[0].next(BALD, "a", hold=True)


def test_a_pipe_in_place_of_what_is_held_is_told(tmp_path):
    holds = Holds(Decisions(tmp_path / "decisions.jsonl"))
    os.mkfifo(holds.path)
    assert holds.of_others("ada") == set()
    with pytest.raises(DataError, match="it is a pipe or a device"):
        holds.take("ada", lambda others: BALD)


def reviewed(path, who, n):
    """Decide, in a process of its own, on what is next, until nothing is left."""
    decisions = Decisions(path)
    holds, mine = Holds(decisions), []

    def choose(held):
        taken = decisions.decided | held
        return next((key for i in range(n) if (key := (f"face-{i}", "Bald")) not in taken), None)

    while (key := holds.take(who, choose)) is not None:
        decisions.add(*key, "yes", by=who, label=None)
        mine.append(key)
    return mine


def test_processes_never_decide_on_the_same(tmp_path, forks):
    path, n, people = tmp_path / "decisions.jsonl", 60, ("ada", "bob", "cyd")
    with forks.Pool(len(people)) as pool:
        done = pool.starmap(reviewed, [(path, who, n) for who in people])
    keys = [key for of_one in done for key in of_one]
    # who finds all that is left held by others goes home, so nobody need have been asked twice
    assert len(keys) == len(set(keys)) == n
    assert len(Decisions(path).decided) == n


def test_threads_never_decide_on_the_same(tmp_path):
    path, n, people = tmp_path / "decisions.jsonl", 60, ("ada", "bob", "cyd")
    with ThreadPoolExecutor(len(people)) as pool:
        done = list(pool.map(lambda who: reviewed(path, who, n), people))
    keys = [key for of_one in done for key in of_one]
    assert len(keys) == len(set(keys)) == n
