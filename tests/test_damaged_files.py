"""Whatever bytes a file holds, reading it ends in a value or in an error of prunescope's own.

Thousands of files, made of sound ones by mutations that are drawn from a seed, are given to every
reader of files. CI runs them all; a text that once broke a reader stands in `TEXTS`.
"""

import json
import random
import re
import shutil
import zlib

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image
from transformers import ConvNextConfig

from prunescope.audit import Audit, audit
from prunescope.cli.options import Data, read_yaml
from prunescope.data import load_dataset
from prunescope.data.decode import decode
from prunescope.errors import PrunescopeError
from prunescope.forecast import Forecast, forecast, score
from prunescope.forecast.score_result import Score
from prunescope.mitigate import Overrides
from prunescope.models.processors import read_processor
from prunescope.predictions import Embeddings, Predictions, read_adjustments, read_thresholds
from prunescope.predictions.shards import Shards
from prunescope.report import read_gain
from prunescope.runtimes.note import OURS, read_note
from prunescope.study.plan.reading import open_study, template
from prunescope.verdict import Policy
from prunescope.verdict import template as policy_template
from prunescope.viewer.decisions import Decisions

TEXTS = (
    b"", b"\x00", b"null", b"[]", b"{}", b"0", b'""', b"NaN", b"-Infinity", b"1e999",
    b"9" * 6000, b"[" * 100_000, b'{"a":' * 5000, b"- " * 5000, b"{a: " * 3000,
    b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"\x80\x81", b"&a [*a]", b"a: &a\n  <<: *a\n",
    b"2024-13-45", b"!!python/object/apply:os.system [true]", b"!!int ''", b"!!timestamp x",
    b"? [a]\n: b", b"? {a: b}\n: c", b"!!binary '%'", b"!!bool x", b"!!set {a: b}", b"!!float ''",
    b"a: &a [x]\n" + b"".join(b"%c: &%c [%s*%c]\n" % (i, i, b"*%c," % (i - 1) * 9, i - 1)
                              for i in range(98, 110)),
    b"a,a\n1,2\n", b"a\n1,2,3\n", b'"a\n', b"PAR1", b"PAR1" * 3, b"\x93NUMPY", b"\x89PNG\r\n\x1a\n",
)  # fmt: skip
"""Whole files that are nothing, too much, or another format."""

VALUES = (
    None, True, -1, 0, 1e308, 10**30, "", "x", "\ud800", "\x00", "../../x", "~nobody/x", [], {},
    [[]], [None], {"a": 1}, {"": {}}, ["x", 1], 10**350, -0.5, "9" * 5000,
)  # fmt: skip
"""What stands in the place of a value of JSON or YAML."""

BYTES = (
    b"\x00", b"\xff", b"9" * 5000, b"[" * 2000, b"{", b"]", b'"', b"NaN", b"-", b"\n", b": ",
    b",", b"1e999", b"\xef\xbb\xbf", b"*a", b"&a ", b"<<: ", b"\x80", b"\t", b"#", b"'", b"!!x ",
)  # fmt: skip
"""What is put among bytes."""


def among_bytes(content, draw):
    """Flip, cut, put in, take out, repeat or turn into another encoding."""
    content = bytearray(content)
    place = draw.randrange(len(content) + 1)
    end = min(len(content), place + draw.choice((1, 2, 8, 100)))
    kind = draw.randrange(8)
    if kind < 3:
        for _ in range(draw.choice((1, 1, 4))):
            if content:
                content[draw.randrange(len(content))] = draw.randrange(256)
    elif kind == 3:
        del content[place:]
    elif kind == 4:
        content[place:place] = draw.choice(BYTES)
    elif kind == 5:
        del content[place:end]
    elif kind == 6:
        content[place:place] = content[place:end] * draw.choice((1, 3))
    else:
        text = bytes(content).decode("utf-8", "replace")
        content = bytearray(text.encode(draw.choice(("utf-16", "utf-8-sig", "utf-32")), "replace"))
    return bytes(content)


def among_values(told, draw):
    """Replace, repeat or drop a value somewhere in lists and mappings."""
    told = json.loads(json.dumps(told))
    places = []

    def walk(value):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            places.append((value, key))
            if isinstance(inner, dict | list):
                walk(inner)

    walk(told)
    owner, key = draw.choice(places)
    if draw.random() < 0.2:
        del owner[key]
    elif draw.random() < 0.1 and isinstance(owner, dict):
        owner[f"{key}x"] = owner.pop(key)
    else:
        owner[key] = draw.choice(VALUES)
    return told


def mutated(content, kind, draw):
    """Return a damaged file."""
    if draw.random() < 0.1:
        return draw.choice(TEXTS)
    if kind in ("json", "yaml") and draw.random() < 0.6:
        told = json.loads(content) if kind == "json" else yaml.safe_load(content)
        if isinstance(told, dict):
            told = among_values(told, draw)
            return (json.dumps(told) if kind == "json" else yaml.safe_dump(told)).encode()
    return among_bytes(content, draw)


def without_comments(text):
    return re.sub(r"\s*#.*", "", text)


@pytest.fixture(scope="module")
def sound(tmp_path_factory, build):
    """A folder of sound files of every kind."""
    folder = tmp_path_factory.mktemp("sound")
    rng, names = np.random.default_rng(0), ("Bald", "Smiling")
    labels = rng.random((60, 2)) < 0.5
    logits = labels * 2 - 1 + rng.normal(0, 1, (60, 2))
    dense, pruned = (
        build(labels, z, names=names, groups={"Male": labels[::-1, 0]}, name=name)
        for name, z in (("a", logits), ("b", logits[::-1]))
    )
    dense.save(folder / "dense.parquet")
    dense.save(folder / "dense.csv")
    seen = Embeddings.of(rng.normal(size=(60, 3)), dense.samples.ids)
    seen.save(folder / "embeddings.parquet")
    columns = pl.DataFrame(seen.values, schema=["f0", "f1", "f2"])
    columns.insert_column(0, seen.ids).write_csv(folder / "embeddings.csv")
    found = audit([dense], [pruned], replicates=16)
    found.save(folder / "audit")
    told = forecast(dense, sparsity=0.9)
    told.save(folder / "forecast")
    score(told, pruned, replicates=100).save(folder / "score")
    (folder / "thresholds.json").write_text(json.dumps({"a": dict.fromkeys(names, 0.5)}))
    (folder / "thresholds.yaml").write_text("Bald: 0.5\nSmiling: -1\n")
    (folder / "thresholds.csv").write_text("model,attribute,threshold\na,Bald,0.5\n")
    (folder / "adjustments.json").write_text(
        json.dumps({"format_version": 1, "adjustments": {"a": {"thresholds": {"Bald": 1.0}}}})
    )
    (folder / "policy.yaml").write_text(without_comments(policy_template()))
    (folder / "study.yaml").write_text(without_comments(template()))
    (folder / "data.yaml").write_text("source: faces\nsize: 16\nattributes: [Bald]\n")
    (folder / "gain.json").write_text(json.dumps({"models": [{"model": "a", "bytes": 10}]}))
    (folder / "overrides.csv").write_text("id,attribute,answer\n1,Bald,yes\n")
    (folder / "decisions.jsonl").write_text("")
    for n in range(3):
        Decisions(folder / "decisions.jsonl").add(str(n), "Bald", "yes", by="ada", label=False)
    frame = {"resize": 20, "crop": 16}
    (folder / "note.json").write_text(json.dumps({
        "attributes": names, "task": "multilabel", "image_size": 16, "frame": frame,
        "compression": {"method": "gmp-pt", "sparsity": 0.5},
    }))  # fmt: skip
    (folder / "hub").mkdir()
    (folder / "hub" / "preprocessor_config.json").write_text(json.dumps({
        "image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 16},
        "crop_pct": 0.875, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }))  # fmt: skip
    faces = folder / "faces"
    faces.mkdir()
    for n in range(4):
        pixels = np.random.default_rng(n).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(faces / f"{n}.png")
        Image.fromarray(pixels).save(faces / f"{n}.jpg")
    table = pl.DataFrame({
        "image": [f"{n}.png" for n in range(4)], "split": ["train", "val", "test", "test"],
        "Bald": [1, 0, 1, 0], "Male": ["a", "b", "a", "b"],
    })  # fmt: skip
    table.write_csv(faces / "labels.csv")
    table.write_parquet(folder / "labels.parquet")
    columns = {"format_version": 1, "attributes": ["Bald"], "groups": ["Male"], "cluster": None}
    (faces / "dataset.json").write_text(json.dumps(columns))
    for kind in ("png", "jpg"):
        shutil.copy(faces / f"0.{kind}", folder)
    for kind, more in (("gif", {}), ("bmp", {}), ("tiff", {}), ("webp", {"quality": 50})):
        Image.fromarray(pixels).save(folder / f"0.{kind}", **more)
    return folder


def load_image(path):
    decode(path, 8)


def scan(path):
    model = Shards.scan(path)
    model.rows(0, 5, ["id"])


def load_data(path):
    load_dataset(Data(str(path)).config())


def load_note(path):
    read_note({OURS: path.read_bytes().decode("utf-8", "replace")}, path)


def load_processor(folder):
    read_processor(str(folder), ConvNextConfig(), 16)


def folder_of(read):
    """Read the folder that a damaged file lies in."""
    return lambda path: read(path.parent)


READERS = {
    "dense.parquet": (Predictions.load, scan),
    "dense.csv": (Predictions.load,),
    "embeddings.parquet": (Embeddings.load,),
    "embeddings.csv": (Embeddings.load,),
    "thresholds.json": (read_thresholds, read_adjustments),
    "thresholds.yaml": (read_thresholds, read_adjustments),
    "thresholds.csv": (read_thresholds,),
    "adjustments.json": (read_adjustments,),
    "policy.yaml": (Policy.load,),
    "study.yaml": (open_study,),
    "data.yaml": (lambda path: read_yaml(path, "data"), lambda path: Data(str(path)).config()),
    "gain.json": (read_gain,),
    "overrides.csv": (Overrides.load,),
    "decisions.jsonl": (Decisions,),
    "audit/audit.json": (folder_of(Audit.load),),
    "audit/audit.parquet": (folder_of(Audit.load),),
    "forecast/forecast.json": (folder_of(Forecast.load),),
    "forecast/attributes.parquet": (folder_of(Forecast.load),),
    "score/score.json": (folder_of(Score.load),),
    "faces/labels.csv": (folder_of(load_data), load_data),
    "faces/dataset.json": (folder_of(load_data),),
    "labels.parquet": (load_data,),
    "note.json": (load_note,),
    "hub/preprocessor_config.json": (folder_of(load_processor),),
    **dict.fromkeys(("0.png", "0.jpg", "0.gif", "0.bmp", "0.tiff", "0.webp"), (load_image,)),
}
"""File → what reads it."""

EACH = 80
"""Damaged files of each kind: together more than 2,000."""


def kind_of(name):
    return name.rpartition(".")[2].replace("yml", "yaml")


@pytest.mark.parametrize("name", READERS)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_is_an_error_of_ours(sound, tmp_path, monkeypatch, name):
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(sound)
    content = (sound / name).read_bytes()
    draw = random.Random(zlib.crc32(name.encode()))
    damaged = tmp_path / name
    if damaged.parent != tmp_path:
        shutil.copytree((sound / name).parent, damaged.parent)
    refused = 0
    for _ in range(EACH):
        damaged.write_bytes(mutated(content, kind_of(name), draw))
        for read in READERS[name]:
            try:
                read(damaged)
            except PrunescopeError:
                refused += 1
    assert refused > EACH // 4


def test_there_are_enough_of_them():
    assert EACH * len(READERS) >= 2000
