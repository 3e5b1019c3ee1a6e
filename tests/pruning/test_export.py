"""Files that other tools read: the answers and weights in them, and what goes wrong."""

import json
import logging
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

import prunescope.pruning.export as module
from prunescope.errors import ConfigError, DataError, ExportError, MissingExtraError
from prunescope.models import Checkpoint, Classifier, ModelSpec, Preprocessing, Provenance
from prunescope.pruning import export_checkpoint, export_onnx, export_weights
from prunescope.runtimes import open_model

COMPRESSION = {"method": "one-shot", "sparsity": 0.5}


def classifier(network, *, seen=6, mean=0.5):
    """Wrap a network that sees the images of 6 px, with the two attributes, at another size."""
    spec = ModelSpec(
        arch="nets:net",
        attributes=("Łysy", "Male"),
        image_size=6,
        preprocessing=Preprocessing(input_size=seen, mean=(mean, 0.4, 0.3)),
    )
    return Classifier(network, spec).eval()


def half_pruned(model):
    """Prune every other weight of the head by its mask alone: the weights stay as they are."""
    name, weight = next((n, w) for n, w in model.named_parameters() if n.endswith("head.weight"))
    mask = (torch.arange(weight.numel()) % 2 == 0).reshape(weight.shape)
    provenance = Provenance.of(model, compression=COMPRESSION)
    return Checkpoint(model, provenance, {name: mask})


def ask(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [logits] = session.run(None, {"images": images.numpy()})
    return torch.from_numpy(logits)


class Strided(nn.Module):
    """A strided, a grouped and a dilated convolution, on images that were enlarged."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.body = nn.Conv2d(8, 8, 3, groups=4, dilation=2, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 2)

    def forward(self, images):
        return self.head(self.norm(self.body(self.stem(images).relu())).mean((2, 3)))


def test_onnx_answers_as_the_model_does_for_any_number_of_images(tmp_path, capfd):
    torch.manual_seed(0)
    model = classifier(Strided(), seen=12).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    path = tmp_path / "made" / "on the way" / "model.onnx"
    export_onnx(model, path, compression=COMPRESSION)
    assert capfd.readouterr() == ("", "")
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    assert model.training
    assert all(torch.equal(tensor, before[n]) for n, tensor in model.state_dict().items())

    for n in (1, 2, 5):
        images = torch.rand(n, 3, 6, 6)
        torch.testing.assert_close(ask(path, images), model.eval()(images), atol=1e-5, rtol=0)
    written = onnx.load(path)
    onnx.checker.check_model(written, full_check=True)
    [about] = written.metadata_props
    assert about.key == "prunescope"
    assert json.loads(about.value) == {
        "attributes": ["Łysy", "Male"],
        "task": "multilabel",
        "image_size": 6,
        "frame": None,
        "compression": COMPRESSION,
    }
    read = open_model(path)
    assert (read.attributes, read.task, read.intake.side) == (("Łysy", "Male"), "multilabel", 6)
    assert (read.intake.values.min(), read.intake.values.max()) == (0, 1)
    for secret in (b"classifier.py", b"site-packages", __file__.encode()):
        assert secret not in path.read_bytes(), "nothing tells of the machine that wrote it"


def test_chatter_is_kept_off_the_terminal_while_exporting(caplog):
    with module._quiet():
        logging.getLogger("torch.onnx").error("about torchvision")
        warnings.warn("deprecated", FutureWarning, stacklevel=1)
    assert not caplog.records
    logging.getLogger("torch.onnx").error("afterwards")
    assert [record.message for record in caplog.records] == ["afterwards"]


def test_masks_are_baked_into_either_file(tmp_path, trained):
    checkpoint = half_pruned(classifier(trained))
    expected = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    expected["head.weight"].view(-1)[1::2] = 0
    export_checkpoint(checkpoint, tmp_path / "m.safetensors")
    found = load_file(tmp_path / "m.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert trained.head.weight.all(), "the checkpoint stays as it is"
    with safe_open(tmp_path / "m.safetensors", "pt") as file:
        header = file.metadata()
    assert header["format"] == "pt"
    assert json.loads(header["prunescope"])["compression"] == COMPRESSION

    export_checkpoint(checkpoint, str(tmp_path / "m.onnx"))
    images = torch.rand(3, 3, 6, 6)
    answer = ask(tmp_path / "m.onnx", images)
    assert not torch.allclose(answer, checkpoint.model(images), atol=1e-3)
    trained.load_state_dict(expected)
    torch.testing.assert_close(answer, checkpoint.model(images), atol=1e-5, rtol=0)


def test_weights_that_share_memory_are_each_written(tmp_path, fresh):
    fresh.twin = fresh.head
    model = classifier(fresh)
    export_weights(Checkpoint(model, Provenance.of(model), None), tmp_path / "m.safetensors")
    found = load_file(tmp_path / "m.safetensors")
    assert torch.equal(found["twin.weight"], fresh.head.weight)
    assert torch.equal(found["head.weight"], fresh.head.weight)


class Bad(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.head = nn.Linear(108, 2)
        self.bend = forward

    def forward(self, images):
        return self.bend(self.head(images.flatten(1)))


@pytest.mark.parametrize(
    ("bend", "complaint"),
    [
        (lambda z: z + torch.rand_like(z), r"other logits .* batch of 1: Łysy by 0\.\d+, Male by"),
        (lambda z: z * float("nan"), r"Łysy by nan, Male by nan \(at most 0.0001 is allowed\)"),
        (lambda z: -z if z.sum() > 0 else z, "cannot be written as ONNX: .*data-dependent"),
        (lambda z: z.reshape(2, 2), "fails on a batch of 1: RuntimeError: shape .* any number of"),
    ],
    ids=["random", "nan", "branch", "fixed batch"],
)
def test_what_cannot_be_trusted_is_not_written(tmp_path, bend, complaint):
    path = tmp_path / "model.onnx"
    path.write_text("what was there")
    with pytest.raises(ExportError, match=complaint):
        export_onnx(classifier(Bad(bend)), path)
    assert path.read_text() == "what was there"
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_logits_of_another_shape_are_told(tmp_path, fresh, monkeypatch):
    monkeypatch.setattr(module, "answer", lambda session, images: np.zeros((1, 3), np.float32))
    with pytest.raises(
        ExportError, match=r"batch of 1: their shape is \(1, 3\), expected \(1, 2\)"
    ):
        export_onnx(classifier(fresh), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("absent", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_extra_is_named(tmp_path, fresh, monkeypatch, absent):
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[export\]"):
        export_onnx(classifier(fresh), tmp_path / "model.onnx")
    model = classifier(fresh)
    export_weights(Checkpoint(model, Provenance.of(model), None), tmp_path / "needs.safetensors")


@pytest.mark.parametrize("name", ["model.pt", "model", "model.onnx.txt", "model.ONNX"])
def test_a_suffix_that_is_no_format(tmp_path, fresh, name):
    with pytest.raises(ConfigError, match=r"ends in \.onnx or \.safetensors"):
        export_checkpoint(half_pruned(classifier(fresh)), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_written(tmp_path, fresh):
    (tmp_path / "a.safetensors").mkdir()
    with pytest.raises(DataError, match="cannot write"):
        export_weights(half_pruned(classifier(fresh)), tmp_path / "a.safetensors")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        export_weights(half_pruned(classifier(fresh)), tmp_path / "file" / "a.safetensors")


def test_a_model_without_compression_says_null(tmp_path, fresh):
    export_onnx(classifier(fresh), tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    about = json.loads(session.get_modelmeta().custom_metadata_map["prunescope"])
    assert about["compression"] is None
    assert np.shape(session.get_outputs()[0].shape) == (2,)
