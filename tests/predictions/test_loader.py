"""`predict` for any model and any batches."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState, PartialState
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    WeightedRandomSampler,
)
from transformers import ResNetConfig
from transformers.trainer_pt_utils import LengthGroupedSampler

from prunescope.errors import ConfigError, DataError, PrunescopeError
from prunescope.predictions import Metadata, predict
from prunescope.runtimes import Function

IMAGES = torch.arange(5 * 12, dtype=torch.float32).reshape(5, 3, 2, 2) / 60
LABELS = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0], [1, -1]])
NAMES = ("Bald", "Smiling")
EXPECTED = torch.stack([IMAGES.mean((1, 2, 3)), -IMAGES[:, 0, 0, 0]], dim=1).numpy()


class Net(nn.Module):
    """Answers the mean, and the first pixel with its sign turned; in any shape asked for."""

    def __init__(self, wrap=lambda logits: logits):
        super().__init__()
        self.wrap = wrap
        self.dropout = nn.Dropout(0.5)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images):
        logits = torch.stack([images.mean((1, 2, 3)), -images[:, 0, 0, 0]], dim=1)
        return self.wrap(self.dropout(logits * self.scale))


def loader(labels=LABELS, **options):
    return DataLoader(TensorDataset(IMAGES, labels), batch_size=2, **options)


def ask(batches=None, model=None, **options):
    options = {"attributes": NAMES, "device": "cpu"} | options
    return predict(model or Net(), loader() if batches is None else batches, **options)


def test_a_loader_of_pairs():
    steps = []
    found = ask(metadata=Metadata(name="mine"), progress=lambda *step: steps.append(step))
    assert np.allclose(found.logits, EXPECTED)
    assert found.samples.labels.tolist() == LABELS.tolist()
    assert found.samples.ids.to_list() == ["0", "1", "2", "3", "4"]
    assert (found.name, found.attributes, found.samples.task) == ("mine", NAMES, "multilabel")
    assert steps == [(2, 5), (4, 5), (5, 5)]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda z: SimpleNamespace(logits=z),
        lambda z: {"logits": z, "loss": z.sum()},
        lambda z: (z, z * 0),
        lambda z: [z],
        lambda z: z.bfloat16().float(),
    ],
)
def test_models_that_give_more_than_a_tensor(wrap):
    assert np.allclose(ask(model=Net(wrap)).logits, EXPECTED, atol=0.01)


@pytest.mark.parametrize(
    "wrap",
    [lambda z: z[None], lambda z: {"scores": z}, lambda z: "no", lambda z: (), lambda z: z[:1]],
)
def test_models_that_give_no_logits_are_told(wrap):
    said = (
        r"for 2 images: expected one row per image, \(2, A\)|the network gave .*: expected a tensor"
    )
    with pytest.raises(PrunescopeError, match=said):
        ask(model=Net(wrap))


def test_the_model_is_left_as_it_was():
    model = Net().train()
    model.dropout.eval()
    ask(model=model)
    assert (model.training, model.dropout.training) == (True, False)
    assert model.scale.grad is None
    with pytest.raises(DataError):
        ask(batches=[(IMAGES, LABELS[:3])], model=model)
    assert (model.training, model.dropout.training) == (True, False)


def test_autocast_computes_in_the_type_asked_for():
    seen = []
    linear = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    linear[1].register_forward_hook(lambda *given: seen.append(given[-1].dtype))
    plain = ask(model=linear)
    cast = ask(model=linear, autocast="bfloat16")
    assert seen == [torch.float32] * 3 + [torch.bfloat16] * 3
    assert cast.logits.dtype == np.float32
    assert np.allclose(plain.logits, cast.logits, atol=0.05)
    with pytest.raises(ConfigError, match="unknown type for autocast 'int8'"):
        ask(autocast="int8")


@pytest.mark.parametrize(("image", "label"), [("pixel_values", "labels"), ("image", "label")])
def test_dictionaries_with_ids_and_groups_of_their_own(image, label):
    rows = [
        {image: x, label: y, "path": f"{i}.png", "male": i % 2, "age": [3.0, np.nan][i == 4]}
        for i, (x, y) in enumerate(zip(IMAGES, LABELS, strict=True))
    ]
    found = ask(DataLoader(rows, batch_size=3), ids="path", groups=["male", "age"])
    assert np.allclose(found.logits, EXPECTED)
    assert found.samples.labels.tolist() == LABELS.tolist()
    assert found.samples.ids.to_list() == [f"{i}.png" for i in range(5)]
    assert found.samples.groups["male"].codes.tolist() == [0, 1, 0, 1, 0]
    assert found.samples.groups["age"].codes.tolist() == [0, 0, 0, 0, -1]


def test_ids_and_groups_from_arguments():
    groups = {"sex": ["f", "m", None, "m", "f"], "old": torch.tensor([1, 0, 0, 1, 1])}
    found = ask(ids=np.arange(10, 15), groups=groups)
    assert found.samples.ids.to_list() == ["10", "11", "12", "13", "14"]
    assert found.samples.groups["sex"].values == ("f", "m")
    assert found.samples.groups["sex"].codes.tolist() == [0, 1, -1, 1, 0]
    assert found.samples.groups["old"].codes.tolist() == [1, 0, 0, 1, 1]


@pytest.mark.parametrize("unknown", [float("nan"), -1.0])
def test_labels_of_floats(unknown):
    labels = LABELS.double()
    labels[labels < 0] = unknown
    assert ask(loader(labels)).samples.labels.tolist() == LABELS.tolist()
    assert ask(loader(labels.bfloat16())).samples.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize("shape", [(5,), (5, 1)])
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.float32])
def test_positions_of_classes(shape, dtype):
    given = torch.tensor([1, 0, 0, 1, 1])
    found = ask(loader(given.reshape(shape).to(dtype)), attributes=None, classes=NAMES)
    assert found.samples.task == "multiclass"
    assert found.samples.labels.argmax(axis=1).tolist() == given.tolist()
    assert found.metadata.task == "multiclass"


def test_an_unlabelled_image_of_several_classes():
    labels = torch.tensor([1, -1, 0, 1, 0])
    found = ask(loader(labels), attributes=None, classes=NAMES)
    assert found.samples.labels[:2].tolist() == [[0, 1], [-1, -1]]


def test_one_attribute():
    one = nn.Sequential(nn.Flatten(), nn.Linear(12, 1), nn.Flatten(0))  # logits (B,)
    found = ask(loader(torch.tensor([1, 0, 1, 0, -1])), model=one, attributes=["Bald"])
    assert (found.logits.shape, found.samples.task) == ((5, 1), "multilabel")
    assert found.samples.labels[:, 0].tolist() == [1, 0, 1, 0, -1]


def test_images_alone_are_unlabelled():
    for batches in ([IMAGES[:2], IMAGES[2:]], [(IMAGES,)], [IMAGES.numpy()]):
        found = ask(batches)
        assert np.allclose(found.logits, EXPECTED)
        assert (found.samples.labels == -1).all()


def test_names_that_the_model_tells():
    model = Net()
    model.config = SimpleNamespace(id2label={0: "cat", 1: "dog"})
    assert ask(model=model, attributes=None).attributes == ("cat", "dog")
    chosen = ask(loader(torch.tensor([1, 0, 0, 1, 1])), model=model, attributes=None)
    assert (chosen.attributes, chosen.samples.task) == (("cat", "dog"), "multiclass")
    for told in ({0: "LABEL_0", 1: "LABEL_1"}, {0: "cat"}):
        model.config.id2label = told
        with pytest.raises(ConfigError, match="what do the 2 outputs of the model stand for"):
            ask(model=model, attributes=None)


@pytest.mark.parametrize(
    ("problem", "task"),
    [
        ("single_label_classification", "multiclass"),
        ("multi_label_classification", "multilabel"),
        (None, "multilabel"),
    ],
)
def test_the_task_that_the_model_tells(problem, task):
    model = Net()
    model.config = ResNetConfig(id2label={0: "cat", 1: "dog"}, problem_type=problem)
    unlabelled = ask([IMAGES], model=model, attributes=None)
    assert (unlabelled.attributes, unlabelled.samples.task) == (("cat", "dog"), task)
    assert ask([IMAGES], model=model).samples.task == "multilabel"  # as attributes=… says


def test_names_that_the_model_tells_twice():
    model = Net()
    model.config = ResNetConfig(id2label={0: "cat", 1: "cat"})
    with pytest.raises(ConfigError, match="id2label has cat more than once"):
        ask(model=model, attributes=None)


def test_probabilities_become_logits():
    sure = Net(lambda z: torch.full_like(z, 0.75))
    assert np.allclose(ask(model=sure, scores="probability").logits, np.log(3))


@pytest.mark.parametrize(
    ("batches", "options", "kind", "said"),
    [
        (loader(LABELS + 1), {}, DataError, "column 'Bald' is 2: expected a label"),
        (
            loader(torch.tensor([0, 1, 2, 0, 0])), {"attributes": None, "classes": NAMES},
            DataError, "row 3 .* is 2: .* 0 to 1",
        ),
        (loader(torch.tensor([0, 1, 1, 0, 0])), {}, DataError, "say classes="),
        ([(IMAGES[:2], LABELS[:2]), IMAGES[2:]], {}, DataError, "labels and some have none"),
        (loader(torch.zeros(5, 3)), {}, DataError, "labels has 3 columns"),
        ([(IMAGES, LABELS[:4])], {}, DataError, "batch 1 has 5 images and 4 labels"),
        ([{"x": IMAGES}], {}, DataError, "keys pixel_values, images, image; it has x"),
        ([()], {}, DataError, "batch 1 is empty"),
        ([3], {}, DataError, "batch 1 has int for images"),
        ([], {}, DataError, "gave no images"),
        ([(IMAGES, LABELS)], {"ids": "path"}, ConfigError, "is a tuple, which has no keys"),
        ([{"image": IMAGES}], {"ids": "path"}, DataError, "batch 1 has no 'path': it has image"),
        (loader(), {"ids": ["a"]}, DataError, "ids has 1 rows; the model's answer has 5"),
        (loader(), {"ids": ["a"] * 5}, DataError, "id 'a' stands in rows 1 and 2"),
        (loader(), {"groups": {"g": [1, 2]}}, DataError, r'groups\["g"\] has 2 rows; .* 5'),
        (loader(), {"attributes": ["a"]}, DataError, "has 2 columns: expected 1"),
        (loader(), {"scores": "odds"}, ConfigError, "unknown kind of scores 'odds'"),
        (loader(shuffle=True), {}, ConfigError, "draws an order of its own .*shuffle=False"),
        (
            loader(shuffle=True), {"ids": "path", "groups": {"g": [1] * 5}},
            ConfigError, "draws an order of its own",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(batches, options, kind, said):
    with pytest.raises(kind, match=said):
        ask(batches, **options)


def test_a_function_is_for_data_sets():
    with pytest.raises(ConfigError, match="asked about a Dataset: got batches"):
        predict(Function("f", len), loader(), attributes=NAMES)


ROWS = TensorDataset(IMAGES, LABELS)


@pytest.fixture(params=["plain", "accelerate"])
def wrapped(request):
    """Return what wraps a loader, if anything does."""
    if request.param == "plain":
        yield lambda batches: batches
        return
    yield Accelerator(cpu=True).prepare
    for state in (AcceleratorState, PartialState, GradientState):
        state._reset_state()


@pytest.mark.parametrize(
    "batches",
    [
        DataLoader(ROWS, batch_sampler=BatchSampler(RandomSampler(ROWS), 2, drop_last=False)),
        DataLoader(ROWS, sampler=DistributedSampler(ROWS, 1, 0, shuffle=True)),
        DataLoader(ROWS, sampler=WeightedRandomSampler([1.0] * 5, 5)),
        DataLoader(ROWS, sampler=LengthGroupedSampler(2, lengths=[1, 2, 3, 4, 5])),
        loader(shuffle=True),
    ],
)
def test_whatever_shuffles_is_refused(batches, wrapped):
    with pytest.raises(
        ConfigError, match=r"draws an order of its own \(.*Sampler\): .*shuffle=False"
    ):
        ask(wrapped(batches))


@pytest.mark.parametrize(
    "batches",
    [
        DataLoader(ROWS, batch_sampler=BatchSampler(SequentialSampler(ROWS), 2, drop_last=False)),
        DataLoader(ROWS, sampler=DistributedSampler(ROWS, 1, 0, shuffle=False)),
        loader(),
    ],
)
def test_a_loader_in_order_is_read(batches, wrapped):
    assert np.allclose(ask(wrapped(batches)).logits, EXPECTED)
