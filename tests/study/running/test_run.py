"""A study is made once, goes on where it stopped, and outlives runs that fail."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from prunescope.audit import Audit
from prunescope.errors import ConfigError, DataError
from prunescope.models import load_checkpoint
from prunescope.predictions import Predictions
from prunescope.study.running import Status, Store, processes, read_log, run_study
from prunescope.study.stages import state_folder

NAMES = ["dense-s0", "dense-s1", "gmp-pt-90-s0", "gmp-pt-90-s1", "gmp-ri-90-s0", "gmp-ri-90-s1"]

BREAKING = """
import os
from torch import nn


class Breaks(nn.Linear):
    def forward(self, x):
        {how}
        return super().forward(x)


def build(n_outputs):
    return nn.Sequential(nn.Flatten(), Breaks(3 * 32 * 32, n_outputs))
"""


def run(study, folder, show, **options):
    told = []
    return run_study(study, folder, tell=told.append, show=show, **options), told


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()
            and path.suffix in (".safetensors", ".parquet")}  # fmt: skip


def test_a_study_leaves_models_answers_logs_and_an_audit(done, network):
    _, found = done
    store, plan = Store.open(network / "out")
    assert found.complete
    assert sorted(run.name for run in plan.runs) == NAMES
    assert {path.name for path in (network / "out" / "runs").iterdir()} == {
        run.key for run in plan.runs
    }
    for made in plan.runs:
        assert {store.predictions(made, split).metadata.split for split in ("val", "test")} == {
            "val", "test",
        }  # fmt: skip
        steps = [line["step"] for line in read_log(store.log(made))]
        assert steps[-1] == (20 if made.method == "gmp-pt" else 24)
        assert steps == sorted(set(steps))
        assert json.loads((store.run(made) / "run.json").read_text())["seed"] == made.seed
    [sparse] = [made for made in plan.runs if made.name == "gmp-pt-90-s1"]
    assert store.predictions(sparse, "test").metadata.seed == 1
    model = load_checkpoint(store.model(sparse), factory="tiny_network:build")
    kept = sum(int(mask.sum()) for mask in model.masks.values())
    assert kept == round(0.1 * sum(mask.numel() for mask in model.masks.values()))

    folder = store.audit(plan.settings[0])
    sources = Audit.load(folder).info.sources.files
    assert sources.keys() == set(NAMES)
    for name, path in sources.items():
        assert Predictions.load(folder / path).name == name
    table = Audit.load(folder).table
    assert set(table["model"]) == {*NAMES, "dense (2 seeds)", "gmp-pt 0.9 (2 seeds)",
                                   "gmp-ri 0.9 (2 seeds)"}  # fmt: skip


def test_nothing_is_made_twice(done, network, show):
    study, _ = done
    before = stamps(network / "out")
    assert run(study, network / "out", show)[0].complete
    assert stamps(network / "out") == before


def test_what_a_kill_left_of_a_finished_training_goes(done, network, show):
    study, _ = done
    store, plan = Store.open(network / "out")
    made = plan.runs[0]
    left = state_folder(store.model(made))
    left.mkdir()
    (left / "training.safetensors").write_bytes(b"as killed between keeping the model and this")
    store.answers(made, "test").unlink()
    before = stamps(store.model(made))
    run(study, network / "out", show)
    assert store.answers(made, "test").exists()
    assert not left.exists()
    assert stamps(store.model(made)) == before


def test_more_runs_are_added_to_those_there_are(done, network, write_study, show):
    before = stamps(network / "out" / "runs")
    run(write_study(("[0.9]", "[0.9, 0.5]")), network / "out", show)
    after = stamps(network / "out" / "runs")
    assert before.items() <= after.items()
    assert len(after) == len(before) + 4 * 4  # model, masks, two splits
    table = Audit.load(network / "out" / "audits" / "tiny_network-build").table
    assert {"gmp-pt-50-s0", "gmp-ri 0.5 (2 seeds)"} <= set(table["model"])


def test_what_is_damaged_by_hand_is_made_again_when_removed(done, network, show):
    study, _ = done
    store, plan = Store.open(network / "out")
    file = store.answers(plan.runs[2], "test")
    whole = file.read_bytes()
    file.unlink()
    assert store.status(plan.runs[2]) == Status.STOPPED
    run(study, network / "out", show)
    assert file.read_bytes() == whole


@pytest.mark.parametrize("n", [1, 2])
def test_a_run_that_diverges_is_noted_and_the_others_go_on(write_study, network, show, n):
    study = write_study(
        ("recipe_pt: {steps: 20, batch_size: 12, learning_rate: 0.1",
         "recipe_pt: {steps: 20, batch_size: 12, learning_rate: 1.0e+30"),
    )  # fmt: skip
    found, told = run(study, network / "out", show, engine=processes(n))
    store, plan = Store.open(network / "out")
    statuses = {made.name: found.statuses[made.key] for made in plan.runs}
    assert not found.complete
    assert {name for name, status in statuses.items() if status == Status.FAILED} == {
        "gmp-pt-90-s0", "gmp-pt-90-s1",
    }  # fmt: skip
    assert statuses["gmp-ri-90-s1"] == Status.FINISHED
    [failed] = [made for made in plan.runs if made.name == "gmp-pt-90-s0"]
    assert "diverged" in store.failure(failed).error
    assert sum("gmp-pt-90" in line and "diverged" in line for line in told) == 2
    table = Audit.load(store.audit(plan.settings[0])).table
    assert "gmp-ri-90-s0" in set(table["model"])
    assert "gmp-pt-90-s0" not in set(table["model"])


def test_what_starts_from_a_failed_run_is_blocked_and_all_is_tried_again(
    write_study, network, show
):
    broken = BREAKING.format(how="if self.training: raise TypeError('no such thing')")
    good = (network / "tiny_network.py").read_text()
    (network / "broken_network.py").write_text(broken)
    study = write_study(("tiny_network", "broken_network"))
    found, told = run(study, network / "out", show)
    store, plan = Store.open(network / "out")
    statuses = {made.name: found.statuses[made.key] for made in plan.runs}
    assert statuses["dense-s0"] == statuses["gmp-ri-90-s0"] == Status.FAILED
    assert statuses["gmp-pt-90-s0"] == Status.BLOCKED
    assert any("TypeError: no such thing" in line for line in told)
    assert "Traceback" in store.failure(plan.runs[0]).trace
    assert not (network / "out" / "audits").exists()

    (network / "broken_network.py").write_text(good)
    sys.modules.pop("broken_network")
    assert run(study, network / "out", show)[0].complete
    assert store.failure(plan.runs[0]) is None


def test_a_process_that_dies_takes_one_run_with_it(write_study, network, show):
    code = BREAKING.format(how="x.shape[0] == 12 and self.training and os._exit(9)")
    (network / "deadly_network.py").write_text(code)
    study = write_study(("[tiny_network:build]", "[tiny_network:build, deadly_network:build]"))
    found, told = run(study, network / "out", show, engine=processes(2))
    plan = found.plan
    statuses = {made.key: found.statuses[made.key] for made in plan.runs}
    deadly = {key: status for key, status in statuses.items() if key.startswith("deadly")}
    assert set(deadly.values()) == {Status.FAILED, Status.BLOCKED}
    assert {status for key, status in statuses.items() if key not in deadly} == {Status.FINISHED}
    assert any("the process that made it ended with exit code 9" in line for line in told)


def test_two_processes_on_one_folder_share_the_work(write_study, network, contents, whole):
    study = write_study()
    command = [sys.executable, "-m", "prunescope", "study", "run", str(study), "-o",
               str(network / "both")]  # fmt: skip
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=200)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert contents(network / "both") == whole
    made = [line.split(":")[0] for error in errors for line in error.splitlines() if "-s" in line]
    assert sorted(made) == sorted(set(made))
    assert len(made) == len(NAMES)


def test_a_full_disk_is_told_and_the_study_goes_on_when_there_is_room(
    write_study, network, show, contents, whole
):
    study = write_study()
    limited = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000));"
        "from prunescope.cli import main; import sys; sys.argv[0] = 'prunescope'; main()"
    )
    told = ["study", "run", str(study), "-o", str(network / "out")]
    done = subprocess.run(
        [sys.executable, "-c", limited, *told], capture_output=True, text=True, timeout=200,
        check=False,
    )  # fmt: skip
    assert done.returncode in (1, 2), done.stderr
    assert "Traceback" not in done.stderr
    assert "cannot write" in done.stderr
    assert run(study, network / "out", show)[0].complete
    assert contents(network / "out") == whole


def test_a_lock_is_seen_and_falls_with_its_process(done, network):
    store, plan = Store.open(network / "out")
    made = plan.runs[0]
    store.answers(made, "test").unlink()
    hold = (
        "import sys, time; from pathlib import Path; from prunescope.study.running import Store\n"
        "store, plan = Store.open(Path(sys.argv[1]))\n"
        "with store.lock(plan.runs[0].key) as mine:\n"
        "    print(mine, flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(network / "out")], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "True\n"
    assert store.status(made) == Status.RUNNING
    with store.lock(made.key) as mine:
        assert not mine
    holder.kill()
    holder.communicate()
    assert store.status(made) == Status.STOPPED


def test_other_data_are_refused(done, network, show):
    study, _ = done
    data = json.loads((network / "out" / "data.json").read_text())
    (network / "out" / "data.json").write_text(json.dumps(dict.fromkeys(data, "other")))
    with pytest.raises(DataError, match=r"are not those that .* was begun with"):
        run(study, network / "out", show)


def test_a_folder_of_something_else_is_left_alone(write_study, network, show):
    (network / "mine").mkdir()
    (network / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="exists and holds no study"):
        run(write_study(), network / "mine", show)
    assert [path.name for path in (network / "mine").iterdir()] == ["thesis.txt"]


def test_another_study_is_refused(done, network, write_study, show):
    with pytest.raises(ConfigError, match="holds the study 'tiny', not 'other'"):
        run(write_study(("name: tiny", "name: other")), network / "out", show)


def test_what_is_damaged_is_told_and_mended_by_running_again(done, network, show):
    study, _ = done
    (network / "out" / "plan.json").write_text("{}")
    with pytest.raises(DataError, match=r"(?s)plan.json is damaged: .*; run the study again"):
        Store.open(network / "out")
    with pytest.raises(DataError, match=r"holds no study: expected plan.json"):
        Store.open(network)
    assert run(study, network / "out", show)[0].complete
    Store.open(network / "out")


def test_a_log_that_was_cut_off_is_read(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"epoch": 1, "step": 4}\n{"epoch": 2, "step": 8}\n{"epoch": 2, "step"')
    assert [line["step"] for line in read_log(log)] == [4, 8]
    assert read_log(tmp_path / "none.jsonl") == []


def test_ctrl_c_ends_all_processes_without_a_word_from_them(write_study, network):
    study = write_study()
    command = [sys.executable, "-m", "prunescope", "study", "run", str(study), "-o",
               str(network / "out"), "--processes", "2"]  # fmt: skip
    begun = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not (network / "out" / "data.json").exists():
        time.sleep(0.05)
    time.sleep(0.5)  # the processes are being started
    os.killpg(begun.pid, signal.SIGINT)
    _, errors = begun.communicate(timeout=60)
    assert begun.returncode == 130
    assert "Traceback" not in errors, errors
    assert "goes on by the same command" in errors
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and alive(begun.pid):
        time.sleep(0.1)
    assert not alive(begun.pid)


def alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
