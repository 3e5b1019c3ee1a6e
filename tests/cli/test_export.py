"""`prunescope export` and `prunescope gain`, on a tiny model that a factory makes."""

import sys
import textwrap

import pytest
import torch
from safetensors.torch import load_file

from prunescope.extras import install_command

NET = """
from torch import nn

def net(n_outputs):
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.Flatten(), nn.Linear(36, n_outputs))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a dense model and one whose convolution is pruned."""
    from prunescope.models import Provenance, build_model, save_checkpoint
    from prunescope.pruning import strip
    from prunescope.pruning.masks import Masks

    folder = tmp_path_factory.mktemp("export")
    (folder / "prunescope_tiny_net.py").write_text(textwrap.dedent(NET))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        model = build_model("prunescope_tiny_net:net", ["Bald", "Male"], image_size=8)
    save_checkpoint(folder / "dense", model, Provenance.of(model))
    masks = Masks({"network.0.weight": torch.arange(108).reshape(4, 3, 3, 3) >= 54})
    provenance = Provenance.of(model, compression={"method": "one-shot", "sparsity": 0.2})
    for name in ("pruned", "other/dense"):
        save_checkpoint(folder / name, strip(model, masks), provenance, masks)
    return folder


@pytest.fixture
def made(monkeypatch, folder):
    monkeypatch.syspath_prepend(folder)
    return ("--factory", "prunescope_tiny_net:net")


def test_export_in_either_format(tmp_path, folder, made, prunescope):
    for name in ("new/model.onnx", "model.safetensors"):
        ran = prunescope("export", folder / "pruned", "-o", tmp_path / name, *made, "--json")
        assert ran.code == 0, ran.err
        size = (tmp_path / name).stat().st_size
        assert ran.json == {"file": str(tmp_path / name), "bytes": size}
        assert ran.err == ""
    weights = load_file(tmp_path / "model.safetensors")
    assert weights["0.weight"].flatten().count_nonzero() == 54
    ran = prunescope("export", folder / "dense", "-o", tmp_path / "d.safetensors", *made)
    assert ran.out.endswith(
        f"d.safetensors: {(tmp_path / 'd.safetensors').stat().st_size:,} bytes\n"
    )


def test_gain_as_json(folder, made, prunescope):
    models = (folder / "dense", folder / "pruned", folder / "other" / "dense")
    ran = prunescope("gain", *models, *made, "--no-latency", "--json")
    assert ran.code == 0, ran.err
    assert ran.json.keys() == {"zlib_level", "models"}
    rows = ran.json["models"]
    assert [row["model"] for row in rows] == [str(model) for model in models]
    assert [row["macs"] for row in rows] == [9 * 108 + 72] * 3
    assert [row["macs_effective"] for row in rows] == [1044, 558, 558]
    assert not any(name.startswith("ms_") for row in rows for name in row)

    ran = prunescope("gain", models[0], models[0].parent / "pruned", *made,
                     "--repeats", 2, "--threads", 1, "--json")  # fmt: skip
    assert [ran.json[key] for key in ("zlib_level", "threads", "repeats")] == [6, 1, 2]
    assert ran.json["runtime"] == "ONNX Runtime"
    rows = ran.json["models"]
    assert [row["model"] for row in rows] == ["dense", "pruned"]
    assert all(row[f"ms_batch_{n}_ratio"] > 0 for row in rows for n in (1, 32))


def test_gain_as_a_table(folder, made, prunescope, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    models = (folder / "dense", folder / "pruned")
    ran = prunescope("gain", *models, *made, "--repeats", 2, "--threads", 1)
    assert "558 ×0.534" in ran.out
    assert "ms per batch of 32" in ran.out
    assert "ONNX Runtime, 1 thread, median of 2 rounds" in " ".join(ran.out.split())
    assert "pruned: unstructured zeros: no faster on a stock runtime" in ran.out
    ran = prunescope("gain", *models, *made, "--no-latency")
    assert "per batch" not in ran.out
    assert "ONNX Runtime" not in ran.out


@pytest.mark.parametrize("absent", ["onnx", "onnxruntime"])
def test_gain_without_onnx_gives_the_rest(folder, made, prunescope, monkeypatch, absent):
    models = (folder / "dense", folder / "pruned")
    full = prunescope("gain", *models, *made, "--no-latency", "--json").json["models"]
    monkeypatch.setitem(sys.modules, absent, None)
    ran = prunescope("gain", *models, *made, "--repeats", 2, "--threads", 1, "--json")
    assert ran.code == 0, ran.err
    assert "no size of an ONNX file, and times of torch: " in ran.err
    assert install_command("export") in ran.err
    assert ran.json["runtime"] == "torch"
    for row, before in zip(ran.json["models"], full, strict=True):
        counted = {n: v for n, v in before.items() if not n.startswith(("bytes_onnx", "bytes_z"))}
        assert counted.items() <= row.items()
        assert not any(name.startswith("bytes_onnx") for name in row)
        assert all(row[f"ms_batch_{n}"] > 0 for n in (1, 32))
    ran = prunescope("gain", *models, *made, "--repeats", 2, "--threads", 1)
    assert "Times: torch, 1 thread, median of 2 rounds" in " ".join(ran.out.split())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("export", "nowhere", "-o", "OUT/m.onnx"), "no checkpoint at"),
        (("export", "dense", "-o", "OUT/m.onnx"), "give factory='prunescope_tiny_net:net'"),
        (("export", "dense", "-o", "OUT/m.pt", "MADE"), "ends in .onnx or .safetensors"),
        (("gain", "dense"), "Missing argument"),
        (("gain", "pruned", "dense", "MADE"), "pruned is compressed (one-shot)"),
        (("gain", "dense", "dense", "MADE"), "a name of its own for each"),
        (("gain", "dense", "pruned", "--repeats", "0", "MADE"), "repeats: got 0"),
    ],
)
def test_bad_input_gets_one_clear_error(
    tmp_path, folder, made, prunescope, monkeypatch, arguments, complaint
):
    monkeypatch.chdir(folder)
    given = [
        part.replace("OUT", str(tmp_path)) for word in arguments
        for part in (made if word == "MADE" else [word])
    ]  # fmt: skip
    ran = prunescope(*given)
    assert ran.code == 2
    assert complaint in " ".join(ran.err.replace("│", " ").split())
    assert not list(tmp_path.glob("m.*"))


@pytest.mark.parametrize("command", ["export", "gain"])
def test_help(prunescope, command):
    ran = prunescope(command, "--help")
    assert ran.code == 0
    assert "Usage" in ran.out
