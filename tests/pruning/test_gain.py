"""What compression saves, against figures worked out by hand."""

import copy
import zlib

import polars as pl
import pytest
import torch
from torch import nn

import prunescope.pruning.gain as module
from prunescope.errors import ConfigError
from prunescope.models import (
    Checkpoint,
    Classifier,
    ModelSpec,
    Preprocessing,
    Provenance,
    Quantized,
)
from prunescope.pruning import count_macs, export_onnx, export_weights, gains, strip
from prunescope.pruning.masks import Masks


def checkpoint(network, masks=None, **compression):
    spec = ModelSpec(
        arch="nets:net",
        attributes=("Bald", "Male"),
        image_size=6,
        preprocessing=Preprocessing(input_size=6),
    )
    model = Classifier(network, spec).eval()
    provenance = Provenance.of(model, compression=compression or None)
    return Checkpoint(model, provenance, masks)


@pytest.fixture
def masks():
    """Prune 27 weights of the stem and 100 of the body."""
    found = {"stem": torch.ones(4, 3, 3, 3), "body": torch.ones(6, 4, 3, 3)}
    found["stem"][1] = 0
    found["body"].view(-1)[50:150] = 0
    return {f"network.{name}.weight": mask.bool() for name, mask in found.items()}


@pytest.fixture
def sessions(monkeypatch):
    """Leave ONNX out, which takes its time; return what stands for the sessions."""
    found = []
    monkeypatch.setattr(module, "export_onnx", lambda model, path, **_: path.write_bytes(b"model"))
    monkeypatch.setattr(
        module, "open_session", lambda content, threads: found.append(object()) or found[-1]
    )
    return found


def smaller(net):
    """Return a copy without the last two channels between stem and body."""
    net = copy.deepcopy(net)
    net.stem, net.stem_norm = nn.Conv2d(3, 2, 3, padding=1, bias=False), nn.BatchNorm2d(2)
    net.body = nn.Conv2d(2, 6, 3, padding=1)
    return net


def test_macs_of_the_tiny_net_by_hand(fresh):
    image = torch.rand(1, 3, 6, 6)
    # 36 positions of 108 and 216 weights, 1 of 12
    assert count_macs(fresh.eval(), image) == (36 * 108 + 36 * 216 + 12,) * 2 == (11676, 11676)
    with torch.no_grad():
        fresh.stem.weight[0, 0] = 0  # 9 weights, 36 positions each
        fresh.head.weight[1] = 0  # 6 weights, once each
    assert count_macs(fresh, image) == (11676, 11676 - 9 * 36 - 6)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(4, 6, 3), (4, 7, 5)),
        (nn.Conv2d(4, 6, (3, 1), stride=(2, 1)), (4, 8, 5)),
        (nn.Conv2d(4, 8, 3, groups=4), (4, 6, 6)),
        (nn.Conv2d(4, 4, 3, groups=4, stride=2, dilation=2), (4, 9, 9)),
        (nn.Conv1d(2, 4, 3, groups=2), (2, 9)),
        (nn.Conv3d(1, 2, 2), (1, 3, 4, 5)),
        (nn.Linear(3, 5), (3,)),
        (nn.Linear(3, 5), (7, 3)),
    ],
    ids=str,
)
def test_each_weight_counts_as_often_as_it_is_used(layer, shape):
    """Where all inputs are 1, a weight's gradient of the sum of outputs is how often it is used."""
    torch.manual_seed(0)
    ones = torch.ones(1, *shape)
    layer(ones).sum().backward()
    uses = layer.weight.grad
    with torch.no_grad():
        layer.weight.masked_fill_(torch.rand_like(layer.weight) < 0.5, 0)
    macs = count_macs(layer, ones)
    assert macs.dense == uses.sum() > macs.effective > 0
    assert macs.effective == uses[layer.weight != 0].sum()


def test_a_layer_counts_as_often_as_it_is_called_and_is_left_as_it_was():
    layer = nn.Linear(3, 3)
    net = nn.Sequential(layer, nn.ReLU(), layer)
    assert count_macs(net, torch.ones(1, 3)).dense == 18
    assert count_macs(net, torch.ones(1, 3)).dense == 18
    with pytest.raises(RuntimeError):
        count_macs(net, torch.ones(1, 4))
    assert not layer._forward_hooks


def test_the_table_against_counts_by_hand(trained, masks, tmp_path):
    dense, pruned = (
        checkpoint(trained),
        checkpoint(trained, masks, method="one-shot", sparsity=0.4),
    )
    small = checkpoint(smaller(trained).eval(), method="structured", sparsity=0.4)
    with torch.no_grad():  # no parameter is 0 by itself
        for parameter in (*trained.parameters(), *small.model.parameters()):
            parameter.copy_(torch.rand_like(parameter) / 10 + 0.01)
    table = gains([dense, pruned, small], ["d", "p", "s"], batches=())

    # with 4 + 4 and 6 + 6 of normalisation, and biases of 6 and 2
    assert table["n_parameters"].to_list() == [364, 364, 336 - 54 - 108 + 24]
    assert table["n_prunable_weights"].to_list() == [336, 336, 174]
    assert table["n_nonzero_parameters"].to_list() == [364, 364 - 127, 198]
    assert table["macs"].to_list() == [11676, 11676, 36 * (54 + 108) + 12]
    assert table["macs_effective"].to_list() == [11676, 11676 - 36 * 127, 5844]
    assert table["macs_effective_ratio"].to_list() == [1, 7104 / 11676, 5844 / 11676]
    assert table["note"].to_list() == [
        None,
        "unstructured zeros: no faster on a stock runtime; smaller only when compressed",
        "structured: its layers themselves are smaller",
    ]
    assert table["method"].to_list() == ["dense", "one-shot", "structured"]

    export_weights(pruned, tmp_path / "w")
    written = (tmp_path / "w").read_bytes()
    model = strip(pruned.model, Masks(masks))
    export_onnx(model, tmp_path / "m", compression={"method": "one-shot", "sparsity": 0.4})
    row = table.row(1, named=True)
    assert row["bytes_weights"] == len(written)
    # safetensors orders its metadata at random
    assert row["bytes_zlib"] == pytest.approx(len(zlib.compress(written, 6)), abs=8)
    assert row["bytes_zlib"] < table["bytes_zlib"][0]
    assert row["bytes_onnx"] == (tmp_path / "m").stat().st_size
    assert trained.stem.weight.all(), "the models stay as they are"


def test_columns_with_and_without_times(trained):
    counted = gains([checkpoint(trained)], ["d"], batches=())
    timed = gains([checkpoint(trained)], ["d"], batches=(2,), threads=1, repeats=2)
    new = ["ms_batch_2", "ms_batch_2_ratio", "ms_batch_2_low", "ms_batch_2_high"]
    assert timed.columns == [*counted.columns[:-1], *new, "note"]
    varying = pl.selectors.starts_with("bytes_zlib")  # safetensors orders its metadata at random
    assert timed.drop(new).drop(varying).equals(counted.drop(varying))
    assert timed.schema["note"] == pl.String
    assert timed["ms_batch_2_ratio"].item() == 1
    low, middle, high = (timed[f"ms_batch_2{part}"].item() for part in ("_low", "", "_high"))
    assert 0 < low <= middle <= high


def test_models_take_turns_and_the_warm_up_does_not_count(trained, masks, sessions, monkeypatch):
    asked = []

    def scripted(session, images):
        asked.append((session, len(images)))
        turn, who = (len(asked) - 1) // 2 % 7, sessions.index(session)
        return 1000.0 if turn < 3 else [[4.0, 1, 2, 3], [8.0, 6, 4, 2]][who][turn - 3]

    monkeypatch.setattr(module, "_milliseconds", scripted)
    steps = []
    models = [checkpoint(trained), checkpoint(trained, masks, sparsity=0.4)]
    table = gains(models, "dp", repeats=4, progress=lambda *step: steps.append(step))
    first, second = sessions
    order = [first, second, second, first] * 3 + [first, second]
    assert asked == [(s, 1) for s in order] + [(s, 32) for s in order]
    assert steps == [(done, 14) for done in range(1, 15)]
    for batch in (1, 32):
        assert table[f"ms_batch_{batch}"].to_list() == [2.5, 5]
        assert table[f"ms_batch_{batch}_ratio"].to_list() == [1, 2]
        assert table[f"ms_batch_{batch}_low"].to_list() == [1.75, 3.5]
        assert table[f"ms_batch_{batch}_high"].to_list() == [3.25, 6.5]


@pytest.mark.parametrize(
    ("names", "options", "complaint"),
    [
        ([], {}, "0 models called nothing"),
        (["a"], {}, "2 models called a: expected at least one, and a name of its own"),
        (["a", "a"], {}, "2 models called a, a"),
        (["a", "b"], {"threads": 0}, "threads: got 0, expected at least 1"),
        (["a", "b"], {"repeats": 0}, "repeats: got 0"),
        (["a", "b"], {"batches": (1, 0)}, "a batch of images: got 0"),
    ],
)
def test_what_makes_no_sense(trained, names, options, complaint):
    models = [checkpoint(trained)] * 2 if names else []
    with pytest.raises(ConfigError, match=complaint):
        gains(models, names, **options)


def test_a_model_in_int8_is_counted_and_not_timed(trained):
    dense = checkpoint(trained)
    model = Quantized(copy.deepcopy(trained), dense.model.spec, layers=["head"], folded=[])
    model.network.head.weight_int8[0, :3] = 1
    int8 = Checkpoint(model.eval(), Provenance.of(model, compression={"method": "int8"}), None)
    first, second = gains([dense, int8], ["d", "i8"], batches=(1,), repeats=1).to_dicts()
    for name in ("n_prunable_weights", "n_parameters", "macs"):
        assert second[name] == first[name], name
    lost = 12 + 2  # the head, blank but for three weights, and its bias
    assert second["n_nonzero_parameters"] == first["n_nonzero_parameters"] - lost + 3
    assert first["macs_effective"] - second["macs_effective"] == 12 - 3
    assert second["ms_batch_1"] is second["bytes_onnx"] is second["ms_batch_1_ratio"] is None
    assert second["note"].startswith("int8")
    with pytest.raises(ConfigError, match="i8 is compressed"):
        gains([int8, dense], ["i8", "d"])
    with pytest.raises(ConfigError, match="a float model is needed to export"):
        export_onnx(model, "no.onnx")


def test_the_first_has_to_be_dense(trained, masks, sessions):
    for first in (checkpoint(trained, masks), checkpoint(trained, method="structured", sparsity=1)):
        with pytest.raises(ConfigError, match=r"p is compressed .*expected the dense model first"):
            gains([first, checkpoint(trained)], ["p", "d"])
    whole = {name: torch.ones_like(mask) for name, mask in masks.items()}
    for options in ({"masks": whole}, {"method": "gmp-ri", "sparsity": 0.0}):
        table = gains([checkpoint(trained, **options)], ["d"], batches=())
        assert table["note"].to_list() == [None]
