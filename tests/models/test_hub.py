import json

import pytest
import torch
from transformers import (
    AutoModelForImageClassification,
    MobileNetV1Config,
    MobileNetV2Config,
    ResNetConfig,
    ResNetModel,
    ViTConfig,
    ViTForImageClassification,
)
from transformers.utils import logging

from prunescope.errors import ConfigError, PrunescopeWarning
from prunescope.models import build_model, pretrained_data
from prunescope.models.hub import load_pretrained, network_from_config

ATTRIBUTES = ("Bald", "Male", "Young")
FOUR = ("Bald", "Male", "Young", "Smiling")
UNNAMED = ("LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3")
CHUBBY = ("Bald", "Male", "Young", "Chubby")


def reference(folder):
    return AutoModelForImageClassification.from_pretrained(folder).eval()


def test_a_folder_with_as_many_outputs_keeps_all_its_weights(pretrained, images):
    model = build_model(f"hf:{pretrained}", FOUR, image_size=16).eval()
    expected = reference(pretrained)((images - 0.5) / 0.5).logits
    torch.testing.assert_close(model(images), expected)


def test_another_number_of_outputs_gets_a_fresh_last_layer_and_keeps_the_rest(pretrained):
    model = build_model(f"hf:{pretrained}", ATTRIBUTES, image_size=16)
    before = reference(pretrained).state_dict()
    changed = {
        name
        for name, value in model.network.state_dict().items()
        if not (value.shape == before[name].shape and torch.equal(value, before[name]))
    }
    assert changed == {"classifier.1.weight", "classifier.1.bias"}
    assert model.network.config.id2label == dict(enumerate(ATTRIBUTES))


def test_the_fresh_layer_is_a_function_of_the_seed(pretrained):
    def head(seed):
        model = build_model(f"hf:{pretrained}", ATTRIBUTES, image_size=16, seed=seed)
        return model.network.classifier[1].weight

    assert torch.equal(head(0), head(0))
    assert not torch.equal(head(0), head(1))


def test_normalisation_and_size_come_from_the_processor_where_there_is_one(pretrained, images):
    settings = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": 32, "width": 32},
        "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.1, 0.2, 0.3],
    }
    (pretrained / "preprocessor_config.json").write_text(json.dumps(settings))
    model = build_model(f"hf:{pretrained}", FOUR, image_size=16).eval()
    read = model.spec.preprocessing
    assert (read.input_size, read.mean, read.std) == (32, (0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
    seen = torch.nn.functional.interpolate(images, size=32, mode="bilinear", antialias=True)
    mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (read.mean, read.std))
    torch.testing.assert_close(model(images), reference(pretrained)((seen - mean) / std).logits)


def test_a_network_of_a_fixed_size_gets_images_of_that_size(tmp_path):
    config = ViTConfig(
        image_size=24, patch_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, num_labels=3,
    )  # fmt: skip
    ViTForImageClassification(config).save_pretrained(tmp_path)
    model = build_model(f"hf:{tmp_path}", ATTRIBUTES, image_size=16)
    assert model.spec.preprocessing.input_size == 24


def test_half_precision_is_loaded_as_float32(pretrained):
    reference(pretrained).half().save_pretrained(pretrained)
    network, _ = load_pretrained(str(pretrained), FOUR, "multilabel", 16)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_a_folder_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match=r"cannot load .*nowhere"):
        build_model(f"hf:{tmp_path / 'nowhere'}", ATTRIBUTES, image_size=16)


def test_weights_that_are_cut_short(pretrained):
    weights = pretrained / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ConfigError, match=r"cannot load .*weights as safetensors"):
        build_model(f"hf:{pretrained}", ATTRIBUTES, image_size=16)


def test_a_folder_without_safetensors_is_refused_even_if_it_has_pickles(pretrained):
    (pretrained / "model.safetensors").rename(pretrained / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="cannot load"):
        build_model(f"hf:{pretrained}", ATTRIBUTES, image_size=16)


def test_something_else_than_a_classifier(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ConfigError, match="expected an image classifier"):
        build_model(f"hf:{tmp_path}", ATTRIBUTES, image_size=16)


def test_missing_weights_of_the_body_are_not_made_up(pretrained):
    other = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[2, 1], layer_type="basic")
    other.num_labels = 4
    other.architectures = ["ResNetForImageClassification"]
    other.save_pretrained(pretrained)
    with pytest.raises(ConfigError, match="lacks weights that its architecture needs"):
        build_model(f"hf:{pretrained}", FOUR, image_size=16)


def test_a_backbone_gets_a_last_layer(tmp_path):
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1], layer_type="basic")
    ResNetModel(config).save_pretrained(tmp_path)
    model = build_model(f"hf:{tmp_path}", ATTRIBUTES, image_size=16)
    assert model(torch.zeros(2, 3, 16, 16)).shape == (2, 3)


@pytest.mark.parametrize("config", [MobileNetV1Config(), MobileNetV2Config(), ResNetConfig()])
def test_batch_norm_forgets_as_torch_does(config):
    network = network_from_config(config)
    momenta = {m.momentum for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)}
    assert momenta == {0.1}


def test_nothing_reaches_the_terminal_and_transformers_talks_as_before(pretrained, capfd):
    verbosity = logging.get_verbosity()
    build_model(f"hf:{pretrained}", ATTRIBUTES, image_size=16)
    assert capfd.readouterr() == ("", "")
    assert logging.get_verbosity() == verbosity
    assert logging.is_progress_bar_enabled()


def named(folder, *names, problem_type="multi_label_classification"):
    """Write names of outputs into the configuration in a folder."""
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = dict(enumerate(names))
    config["label2id"] = {name: index for index, name in enumerate(names)}
    config["problem_type"] = problem_type
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def processed(pretrained):
    """The folder with an image processor and named outputs, in another order than FOUR."""
    settings = {"image_processor_type": "ViTImageProcessor", "size": {"height": 16, "width": 16}}
    (pretrained / "preprocessor_config.json").write_text(json.dumps(settings))
    return named(pretrained, "Smiling", "Male", "Bald", "Young")


@pytest.mark.parametrize("as_trained", [False, True])
def test_outputs_are_put_into_the_order_that_is_asked_for(processed, images, as_trained):
    model = build_model(f"hf:{processed}", FOUR, image_size=16, as_trained=as_trained).eval()
    expected = reference(processed)((images - 0.5) / 0.5).logits
    torch.testing.assert_close(model(images), expected[:, [2, 1, 3, 0]])
    assert model.network.config.id2label == dict(enumerate(FOUR))


def test_spelling_may_differ_and_is_told(processed, images):
    named(processed, "smiling", "male", "bald", "young")
    with pytest.warns(PrunescopeWarning, match="spells its outputs differently: 'bald' for 'Bald'"):
        model = build_model(f"hf:{processed}", FOUR, image_size=16, as_trained=True).eval()
    expected = reference(processed)((images - 0.5) / 0.5).logits
    torch.testing.assert_close(model(images), expected[:, [2, 1, 3, 0]])


def test_outputs_for_something_else_are_learnt_anew(processed):
    before = reference(processed).classifier[1].weight

    def head(seed):
        model = build_model(f"hf:{processed}", CHUBBY, image_size=16, seed=seed)
        return model.network.classifier[1].weight

    assert torch.equal(head(0), head(0))
    assert not torch.equal(head(0), before)
    assert not torch.equal(head(0), head(1))
    assert not torch.isclose(head(0), before).any(dim=1).all()


@pytest.mark.parametrize(
    ("names", "problem_type", "asked", "task", "complaint"),
    [
        (FOUR, None, CHUBBY, "multilabel", "answers Bald, Male, Young, Smiling; the data ask Bald"),
        (FOUR, None, CHUBBY, "multilabel", "ask Bald, Male, Young, Chubby. Expected the same"),
        (FOUR, None, ATTRIBUTES, "multilabel", "answers Bald, Male, Young, Smiling"),
        (UNNAMED, None, ATTRIBUTES, "multilabel", "has 4 outputs without names"),
        (FOUR, "single_label_classification", FOUR, "multilabel", "columns of 0 and 1"),
        (FOUR, "multi_label_classification", FOUR, "multiclass", "a column of class names"),
        (FOUR, "regression", FOUR, "multilabel", "was trained for regression"),
    ],
)
def test_a_model_that_answers_something_else_is_refused(
    processed, names, problem_type, asked, task, complaint
):
    named(processed, *names, problem_type=problem_type)
    with pytest.raises(ConfigError) as error:
        build_model(f"hf:{processed}", asked, image_size=16, task=task, as_trained=True)
    assert complaint in " ".join(str(error.value).split())


@pytest.mark.parametrize(
    ("names", "problem_type", "warning"),
    [
        (UNNAMED, "multi_label_classification", "not name its outputs"),
        (FOUR, None, "does not say whether its answers exclude each other"),
    ],
)  # fmt: skip
def test_what_is_assumed_is_told(processed, names, problem_type, warning):
    named(processed, *names, problem_type=problem_type)
    with pytest.warns(PrunescopeWarning, match=warning):
        build_model(f"hf:{processed}", FOUR, image_size=16, as_trained=True)


def test_a_folder_without_an_image_processor_is_told(processed):
    (processed / "preprocessor_config.json").unlink()
    with pytest.warns(PrunescopeWarning, match=r"no preprocessor_config.json: .*squares of 16 px"):
        build_model(f"hf:{processed}", FOUR, image_size=16, as_trained=True)


def test_classes_without_a_problem_type_exclude_each_other_as_in_transformers(processed, recwarn):
    named(processed, *FOUR, problem_type=None)
    build_model(f"hf:{processed}", FOUR, image_size=16, task="multiclass", as_trained=True)
    assert not recwarn


@pytest.mark.parametrize("problem_type", [None, "multi_label_classification"])
@pytest.mark.filterwarnings("default:.*does not say what its one output is")
def test_one_output_tells_one_attribute(tmp_path, recwarn, problem_type):
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1], id2label={0: "Bald"})
    network = AutoModelForImageClassification.from_config(config)
    network.save_pretrained(tmp_path)
    named(tmp_path, "Bald", problem_type=problem_type)
    settings = {"image_processor_type": "ViTImageProcessor", "size": {"height": 16, "width": 16}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    model = build_model(f"hf:{tmp_path}", ["Bald"], image_size=16, as_trained=True)
    torch.testing.assert_close(model.network.classifier[1].weight, network.classifier[1].weight)
    told = [str(warning.message) for warning in recwarn]
    assert len(told) == (problem_type is None)
    assert all("taken as the logit of Bald, above 0 for yes" in message for message in told)
    with pytest.raises(ConfigError, match="answers Bald; the data ask Bald, Hairy"):
        build_model(
            f"hf:{tmp_path}", ["Bald", "Hairy"], image_size=16, task="multiclass", as_trained=True
        )


def test_a_backbone_is_no_trained_model(tmp_path):
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1], num_labels=3)
    ResNetModel(config).save_pretrained(tmp_path)
    named(tmp_path, *ATTRIBUTES)
    settings = {"image_processor_type": "ViTImageProcessor", "size": {"height": 16, "width": 16}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match="has no trained last layer: classifier"):
        build_model(f"hf:{tmp_path}", ATTRIBUTES, image_size=16, as_trained=True)


def test_images_that_are_framed_for_it_go_in_as_they_are(processed, images):
    settings = {
        "image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 16}
    }  # fmt: skip
    (processed / "preprocessor_config.json").write_text(json.dumps(settings))
    wanted = pretrained_data(f"hf:{processed}")
    assert (wanted["size"], wanted["frame"].resize) == (16, 18)
    framed = build_model(f"hf:{processed}", FOUR, image_size=16, frame=wanted["frame"])
    assert framed.spec.frame == wanted["frame"]
    torch.testing.assert_close(framed.preprocess(images), (images - 0.5) / 0.5)
    others = build_model(f"hf:{processed}", FOUR, image_size=16)
    assert (others.preprocess(images) - framed.preprocess(images)).abs().max() > 0.1


@pytest.mark.parametrize("arch", ["resnet18", "module:factory"])
def test_other_architectures_want_no_data(arch):
    assert pretrained_data(arch) == {}


def test_a_network_of_a_fixed_size_wants_images_of_that_size(tmp_path):
    ViTConfig(image_size=24).save_pretrained(tmp_path)
    assert pretrained_data(f"hf:{tmp_path}") == {"size": 24}


def test_a_model_that_prunescope_saved_is_not_read_as_one_of_transformers(pretrained):
    (pretrained / "prunescope.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"give the folder itself, without hf:"):
        build_model(f"hf:{pretrained}", FOUR, image_size=16)


@pytest.mark.parametrize("labels", [None, ["Bald"]])
def test_a_model_of_timm_without_timm_is_one_message(tmp_path, labels):
    config = {
        "architecture": "resnet18",
        "num_classes": 1,
        "pretrained_cfg": {},
        "label_names": labels,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=r"(?i)timm"):
        build_model(f"hf:{tmp_path}", ["Bald"], image_size=16)


@pytest.mark.parametrize(
    "text", ["{", "[]", "7", '{"model_type": 3}', '{"model_type": "resnet", "num_labels": "x"}']
)
def test_a_damaged_configuration(pretrained, text):
    (pretrained / "config.json").write_text(text)
    with pytest.raises(ConfigError, match="cannot load"):
        build_model(f"hf:{pretrained}", FOUR, image_size=16)
