"""A study on a real Ray cluster of two machines, both processes here, one of them killed."""

import threading
import time

import pytest

from prunescope.errors import ConfigError
from prunescope.study.running import Status, Store, ray_cluster, run_study
from prunescope.study.running.mirror import Mirror

# the warnings are Ray's own
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(240)]


@pytest.fixture
def machines(network, two_machines):
    """Start them where the network can be imported."""
    with two_machines(100) as both:
        yield both


def drop(contents):
    """Leave out logs: a machine that dies may have written part of one."""
    return {name: told for name, told in contents.items() if not name.endswith("log.jsonl")}


def test_a_machine_is_killed_half_way_and_the_study_ends_the_same(
    machines, write_study, network, contents, whole, show
):
    cluster, second = machines
    study = write_study()
    killed = []

    def kill():
        runs = network / "there" / "runs"
        while not any(runs.glob("*/log.jsonl")):
            time.sleep(0.05)
        cluster.remove_node(second, allow_graceful=False)
        killed.append(len(list(runs.glob("*/predictions/test.parquet"))))

    killer = threading.Thread(target=kill)
    killer.start()
    engine = ray_cluster(cluster.address)
    done = run_study(study, network / "there", engine=engine, tell=print, show=show)
    killer.join()
    assert done.complete
    assert killed[0] < len(done.plan.runs)
    assert drop(contents(network / "there")) == drop(whole)


def test_machines_without_a_shared_folder_leave_runs_at_a_url(
    machines, write_study, network, contents, whole, show
):
    cluster, _ = machines
    url = f"file://{network}/shared"
    bad = ("recipe_pt: {steps: 20, batch_size: 12, learning_rate: 0.1",
           "recipe_pt: {steps: 20, batch_size: 12, learning_rate: 1.0e+30")  # fmt: skip
    told = []
    engine = ray_cluster(cluster.address, results=url)
    done = run_study(
        write_study(bad), network / "there", engine=engine, tell=told.append, show=show
    )
    assert not done.complete
    assert sum("gmp-pt-90" in line and "diverged" in line for line in told) == 2
    statuses = {run.name: done.statuses[run.key] for run in done.plan.runs}
    assert statuses["gmp-pt-90-s0"] == Status.FAILED
    assert statuses["gmp-ri-90-s1"] == Status.FINISHED

    # another folder takes up what is at the URL, and makes the rest
    study = write_study()
    before = {path: path.stat().st_mtime_ns for path in (network / "shared").rglob("*.parquet")}
    again = run_study(study, network / "again", engine=engine, tell=print, show=show)
    assert again.complete
    assert drop(contents(network / "again")) == drop(whole)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())


def test_bad_places(write_study, network, show):
    study = write_study()
    for engine, message in (
        (ray_cluster("127.0.0.1:9"), r"no Ray cluster answers at '127\.0\.0\.1:9'"),
        (ray_cluster(results="nowhere://x"), "nowhere://x: .*expected a URL that fsspec knows"),
        (ray_cluster(results="file:///proc/none"), "file:///proc/none cannot be written to"),
    ):
        with pytest.raises(ConfigError, match=message):
            run_study(study, network / "there", engine=engine, tell=print, show=show)


def test_a_mirror_keeps_a_run_whole(done, network, contents):
    _, outcome = done
    store = Store(outcome.folder, outcome.plan.study.asked)
    run, mirror = outcome.plan.runs[0], Mirror(f"memory://{network.name}/deep/er")
    assert not mirror.finished(run, store.splits)
    mirror.push(store, run)
    assert mirror.finished(run, store.splits)
    other = Store(network / "other", store.splits)
    mirror.pull(other, run)
    assert other.finished(run)
    assert contents(other.run(run)) == contents(store.run(run))
