"""Kills: what later commands believe after SIGKILL at any step of every command that writes.

    OMP_NUM_THREADS=1 python benchmarks/kills.py [--kills 200]

Each command is begun over the whole result of an earlier, other call and killed: one time of two at
its n-th file operation (evenly over all of them), the other after a random time. Then the result is
read: it must be the old one or the new one, entirely, or be refused by an error of ours. Then the
command is run again: it must end, its result must be that of a run that was never killed, and no
file of the killed one may be left. Processes are forked from one that has imported everything, so a
kill costs what the command itself takes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from seen import write_page

RESULTS = Path(__file__).parent / "results"
EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}
LEFT = (".part", ".next", ".previous", ".unfinished", ".lock")

STUDY = """
name: killed
data: {source: synthetic, size: 16, n_train: 64, n_val: 24, n_test: 24, attributes: [Smiling, Bald],
       groups: [Male]}
base:
  architectures: [resnet_small]
  methods: [gmp-pt]
  sparsities: [0.8]
  seeds: [0]
  recipe: {like: demo, steps: 4, batch_size: 16}
  recipe_pt: {like: demo-pt, steps: 20, batch_size: 16}
vary: [{}]
audit: {replicates: 100}
"""


@dataclass(frozen=True)
class Case:
    """A command that is killed: what it is given, over what, where it writes, what reads that."""

    name: str
    target: str
    new: str
    old: str | None
    read: str


FIT = "--fit pruned-val.parquet dense-val.parquet --test pruned.parquet dense.parquet --replicates 100"  # noqa: E501
TRAIN = "--data faces --size 16 --epochs 2"
CASES = (
    Case("audit", "out", "audit dense.parquet --compressed pruned.parquet -o out --replicates 64",
         "audit other.parquet --compressed pruned.parquet -o out --replicates 64", "audit"),
    Case("slices", "out", "slices dense.parquet --compressed pruned.parquet -o out --min-support 2",
         "slices other.parquet --compressed pruned.parquet -o out --min-support 2", "slices"),
    Case("forecast", "out", "forecast dense.parquet --sparsity 0.9 -o out",
         "forecast other.parquet --sparsity 0.8 -o out", "forecast"),
    Case("forecast score", "out", "forecast score told --against pruned.parquet -o out",
         "forecast score told --against other.parquet -o out", "score"),
    Case("mitigate thresholds", "out.json", "mitigate thresholds pruned.parquet --criterion f1 -o out.json",  # noqa: E501
         "mitigate thresholds other.parquet --criterion f1 -o out.json", "thresholds"),
    Case("mitigate route", "out",
         "mitigate route pruned.parquet dense.parquet --share 0.3 -o out --replicates 100",
         "mitigate route pruned.parquet dense.parquet --share 0.1 -o out --replicates 100", "route"),  # noqa: E501
    Case("mitigate compare", "out", f"mitigate compare {FIT} --measures prevalence,f1 -o out",
         f"mitigate compare {FIT} --measures prevalence -o out", "comparison"),
    Case("mitigate search", "out",
         "mitigate search dense --sparsities 0.5,0.9 --method one-shot --replicates 100 -o out"
         " --policy policy.yaml", None, "search"),
    Case("mitigate finetune", "out", "mitigate finetune pruned --measure none --epochs 2 --seed 1 -o out",  # noqa: E501
         "mitigate finetune pruned --measure none --epochs 1 --seed 2 -o out", "model"),
    Case("train", "out", f"train {TRAIN} --seed 1 -o out", f"train {TRAIN} --seed 2 -o out", "model"),  # noqa: E501
    Case("prune", "out", "prune dense --method one-shot --sparsity 0.9 --epochs 2 -o out",
         "prune dense --method one-shot --sparsity 0.5 -o out", "model"),
    Case("prune, reconstruct", "out",
         "prune dense --method reconstruct --sparsity 0.8 --calibration-images 32 -o out",
         "prune dense --method one-shot --sparsity 0.5 -o out", "model"),
    Case("sensitivity", "out", "sensitivity dense --levels 0.8 --replicates 64 -o out",
         "sensitivity dense --levels 0.5 --replicates 64 -o out", "sensitivity"),
    Case("quantize", "out", "quantize pruned --batches 2 --batch-size 8 -o out", "quantize dense --batches 2 --batch-size 8 -o out", "model"),  # noqa: E501
    Case("predict", "out.parquet", "predict dense --data faces --split test -o out.parquet",
         "predict dense --data faces --split val -o out.parquet", "predictions"),
    Case("data make", "out", "data make --n-train 8 --n-val 4 --n-test 4 --size 16 -o out", None, "faces"),  # noqa: E501
    Case("study run", "out", "study run study.yaml -o out", None, "study"),
    Case("study report", "report", "study report made -o report", None, "page"),
)  # fmt: skip


def digest(*parts):
    """Hash texts, bytes and tables."""
    found = hashlib.sha256()
    for part in parts:
        content = part.write_csv() if hasattr(part, "write_csv") else part
        found.update(content.encode() if isinstance(content, str) else content)
    return found.hexdigest()


def read(kind, path):
    """Return a hash of what a later command takes from a result."""
    import numpy as np

    from prunescope import mitigate
    from prunescope.audit import Audit
    from prunescope.forecast import Forecast
    from prunescope.forecast.score_result import Score
    from prunescope.mitigate.comparison_result import Comparison
    from prunescope.models import load_checkpoint, weights_digest
    from prunescope.predictions import Predictions, read_adjustments
    from prunescope.sensitivity import Sensitivity
    from prunescope.slices import Slices

    if kind == "audit":
        found = Audit.load(path)
        return digest(str(found.info.n_samples), str(found.info.sources), found.table, found.cies)
    if kind == "forecast":
        found = Forecast.load(path)
        return digest(str(found.info.sparsity), found.samples, found.attributes)
    if kind == "slices":
        found = Slices.load(path)
        return digest(found.info.dense, found.table, found.members)
    if kind == "sensitivity":
        found = Sensitivity.load(path)
        return digest(str(found.info.levels), found.table, found.layers, found.members)
    if kind == "score":
        found = Score.load(path)
        return digest(str(found.info.runs), found.table, found.levels, found.routing)
    if kind == "thresholds":
        return digest(str(read_adjustments(path)))
    if kind == "route":
        found = mitigate.Route.load(path)
        return digest(str(found.info.cut), found.curve)
    if kind == "comparison":
        found = Comparison.load(path)
        return digest(str([one.name for one in found.info.measures]), found.table)
    if kind == "search":
        found = mitigate.Search.load(path)
        return digest(str(found.info.choice), found.trials)
    if kind == "model":
        made = load_checkpoint(path)
        return digest(weights_digest(made.model), str(made.provenance.compression))
    if kind == "predictions":
        return digest(np.ascontiguousarray(Predictions.load(path).logits).tobytes())
    if kind == "faces":
        files = sorted(file for file in path.rglob("*") if file.is_file())
        if not (path / "labels.csv").exists():
            raise FileNotFoundError(path)
        return digest(*(file.read_bytes() for file in files))
    if kind == "study":
        from prunescope.study.running import Store

        store, plan = Store.open(path)
        runs = [run for run in plan.runs if store.finished(run)]
        audits = sorted((path / "audits").glob("[!.]*"))
        if len(runs) < len(plan.runs) or len(audits) < len(plan.settings):
            raise FileNotFoundError(path)  # goes on by the same command
        answers = [store.predictions(run, "test").logits for run in runs]
        tables = [Audit.load(audit).table for audit in audits]
        return digest(*(np.ascontiguousarray(one).tobytes() for one in answers), *tables)
    if not (path / "report.html").exists():
        raise FileNotFoundError(path)
    return digest(*(file.read_bytes() for file in sorted(path.rglob("*.[ct]*"))))


def silent():
    """Send what a child prints to a file."""
    log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)


def child(folder, work):
    """Run some work in a forked process in a folder; return its exit code and what it sent."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.close(receive)
            os.chdir(folder)
            silent()
            code = work(send) or 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    os.close(send)
    return pid, receive


def wait(pid, receive):
    with os.fdopen(receive, "rb") as pipe:
        told = pipe.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), told


def command(line, kill_at=None):
    """Return work that runs a command line and counts its file operations, or dies at one."""

    def work(send):
        from prunescope.cli import main

        here, seen = str(Path.cwd()), 0

        def hook(event, arguments):
            nonlocal seen
            if event not in EVENTS or not isinstance(arguments[0], str | Path):
                return
            path = str(Path.cwd() / arguments[0])
            if not path.startswith(here) or path.endswith("log.txt"):
                return
            if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
                return
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

        sys.addaudithook(hook)
        sys.argv = ["prunescope", *line.split()]
        try:
            main()
        finally:
            os.write(send, str(seen).encode())

    return work


def result(case):
    """Return work that reads a result and sends its hash, or why there is none."""

    def work(send):
        from prunescope.errors import PrunescopeError

        try:
            told = {"hash": read(case.read, Path(case.target))}
        except (PrunescopeError, FileNotFoundError) as error:
            told = {"refused": str(error)[:200]}
        os.write(send, json.dumps(told).encode())

    return work


def run(folder, work):
    return wait(*child(folder, work))


def must(folder, line):
    code, told = run(folder, command(line))
    if code not in ((0, 1) if "mitigate" in line else (0,)):  # 1: nothing holds the policy
        raise SystemExit(f"{line}: exit code {code}\n{(folder / 'log.txt').read_text()}")
    return int(told)


def prepare(base):
    """Make what the commands take."""
    base.mkdir()
    os.environ["PRUNESCOPE_CACHE"] = str(base.parent / "cache")
    must(base, "data make -o faces --n-train 64 --n-val 48 --n-test 48 --size 16")
    must(base, "train --data faces --size 16 --epochs 1 -o dense")
    must(base, "train --data faces --size 16 --epochs 1 --seed 3 -o again")
    must(base, "prune dense --method one-shot --sparsity 0.8 -o pruned")
    for name, model in (("dense", "dense"), ("other", "again"), ("pruned", "pruned")):
        must(base, f"predict {model} --data faces -o {name}.parquet")
        line = f"predict {model} --data faces --split val --name {name} -o {name}-val.parquet"
        must(base, line)
    must(base, "forecast dense.parquet --sparsity 0.9 -o told")
    (base / "policy.yaml").write_text(
        "version: 1\nconditions:\n  - {metric: accuracy, relative: true, gte: -0.9}\n"
    )
    (base / "study.yaml").write_text(STUDY)
    must(base, "study run study.yaml -o made")


def leftovers(folder):
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob(".*")
        if path.name.endswith(LEFT) and "locks" not in path.parts
    )


def killed(case, before, scratch, draw, at, of, seconds):
    """Kill a command once over a copy of what was before; return what it left, in words."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(before, scratch, symlinks=True)
    if at % 2:
        pid, receive = child(scratch, command(case.new))
        time.sleep(draw.uniform(0, seconds))
        os.kill(pid, signal.SIGKILL)
        code, _ = wait(pid, receive)
    else:
        code, _ = run(scratch, command(case.new, kill_at=at * of[0] // of[1]))
    return code


def tortured(case, base, root, kills, draw):
    """Kill a command many times; return counts of what was found, and what was wrong."""
    before, whole, scratch = (root / name for name in ("before", "whole", "scratch"))
    for folder in (before, whole):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, before, symlinks=True)
    if case.old is not None:
        must(before, case.old)
    shutil.copytree(before, whole, symlinks=True)
    start = time.monotonic()
    n = must(whole, case.new)
    seconds = time.monotonic() - start
    old, new = (json.loads(run(folder, result(case))[1]) for folder in (before, whole))
    counts, wrong = Counter(), []
    for at in range(kills):
        code = killed(case, before, scratch, draw, at, (n, kills), seconds)
        counts["killed" if code == -signal.SIGKILL else "had ended"] += 1
        code, told = run(scratch, result(case))
        found = json.loads(told) if code == 0 else {"crashed": (scratch / "log.txt").read_text()}
        if found == new:
            counts["new"] += 1
        elif found == old and "hash" in found:
            counts["old"] += 1
        elif "refused" in found:
            counts["none"] += 1
        else:
            counts["wrong"] += 1
            wrong.append((at, found))
        code, _ = run(scratch, command(case.new))
        if case.name == "data make" and found == new:
            code = 0  # that a whole folder is there already is an error
        again = json.loads(run(scratch, result(case))[1])
        left = leftovers(scratch)
        if code not in (0, 1) or again != new or left:
            counts["not mended"] += 1
            wrong.append((at, code, again, left, (scratch / "log.txt").read_text()[-500:]))
    return n, counts, wrong


HEAD = """# Kills

`benchmarks/kills.py`: every command that writes, begun over an earlier, other result and killed by
SIGKILL, {n} times in all, half of them each at another of its *operations* on files, half at random
times. What is there then is the *old* result, the *new* one, or *none* that a reader takes (it says
so, and the same command goes on). *wrong*: a mix of both, or a crash of the reader. *not mended*:
the same command, run again, does not end in the result of a run that was never killed, or leaves
parts of the killed one.

| command | operations | killed | old | new | none | wrong | not mended |
|---|---|---|---|---|---|---|---|
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--only", default="", help="commands whose name holds this text")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", type=Path, default=RESULTS / "kills.md")
    options = parser.parse_args()
    import_all()
    cases = [case for case in CASES if options.only in case.name]
    share, more = divmod(options.kills, len(cases))
    draw, lines, total = random.Random(options.seed), [], Counter()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        prepare(root / "base")
        for index, case in enumerate(cases):
            n, counts, wrong = tortured(case, root / "base", root, share + (index < more), draw)
            total += counts
            columns = ("killed", "old", "new", "none", "wrong", "not mended")
            cells = [case.name, n, *(counts[name] for name in columns)]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
            print(lines[-1], flush=True)
            for one in wrong:
                print("   ", *one, flush=True)
            text = HEAD.format(n=total["killed"]) + "\n".join(lines)
            write_page(options.o, text)
    sys.exit(bool(total["wrong"] or total["not mended"]))


def import_all():
    """Import what the commands import, once; nothing is computed, for threads do not fork."""
    import importlib

    for name in ("audit", "cli", "cli.app", "cli.files", "data", "forecast", "mitigate",
                 "mitigate.finetune", "models", "predictions", "pruning", "report", "sensitivity",
                 "sensitivity.one_layer", "study",
                 "study.running", "study.results", "training", "verdict"):  # fmt: skip
        importlib.import_module(f"prunescope.{name}")
    multiprocessing.set_start_method("fork", force=True)


if __name__ == "__main__":
    main()
