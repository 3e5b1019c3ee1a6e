"""The code in docs/your-loop.md runs as it stands, and does what the page says."""

import re
import shutil
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState, GradientState, PartialState
from lightning.pytorch import LightningModule
from torch import nn
from transformers import Trainer, TrainingArguments

import prunescope as ps
from prunescope.pruning.unwrap import network_of

PAGE = (Path(__file__).parents[2] / "docs" / "your-loop.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)

pytestmark = [
    pytest.mark.filterwarnings("ignore::lightning.fabric.utilities.warnings.PossibleUserWarning"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:'pin_memory' argument"),
]


def block(word):
    """Return the one block that has a word in it."""
    [found] = [code for code in BLOCKS if word in code]
    return found


@pytest.fixture
def space(task, monkeypatch, tmp_path):
    """Return what the page takes for granted."""
    monkeypatch.chdir(tmp_path)
    model = task.network()
    return {
        "ps": ps,
        "torch": torch,
        "model": model,
        "network": model,
        "optimizer": torch.optim.AdamW(model.parameters(), 0.02),
        "loader": task.train_loader,
        "epochs": 8,
        "device": "cpu",
        "loss_of": lambda model, batch: nn.functional.cross_entropy(model(batch[0]), batch[1]),
    }


def is_pruned(masks, model):
    weights = masks.check(network_of(model))
    return all(torch.equal(weight != 0, masks[name]) for name, weight in weights.items())


@pytest.mark.parametrize(
    "word", ['masks.save("masks.safetensors")\n', "GradScaler", "AveragedModel"]
)
def test_loops(space, word):
    [code] = [code for code in BLOCKS if word in code and "integrations" not in code]
    exec(code, space)
    assert space["masks"].n_kept == 12
    assert is_pruned(space["masks"], space["network"])
    if "average" in space:
        assert is_pruned(space["masks"], space["average"])


def test_accelerate(space):
    try:
        exec(block("Accelerator("), space)
    finally:
        for state in (AcceleratorState, PartialState, GradientState):
            state._shared_state.clear()
    assert space["masks"].n_kept == 12
    assert is_pruned(space["masks"], space["network"])


def test_choices(space):
    exec(block("Criterion(distribution"), space)
    assert list(space["pruner"].masks) == ["conv.weight"]


def test_stop_and_go_on(space, tmp_path):
    exec(block("training.pt"), space)
    assert (tmp_path / "training.pt").exists()


def test_compile(space, monkeypatch):
    monkeypatch.setattr(
        torch, "compile", lambda model, make=torch.compile: make(model, backend="eager")
    )
    exec(block("torch.compile"), space)
    assert list(space["pruner"].masks) == ["conv.weight", "head.weight"]


def test_transformers(space, task, tmp_path):
    class Images(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = task.network()

        def forward(self, pixel_values, labels):
            logits = self.network(pixel_values)
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

    def collate(rows):
        images, labels = zip(*rows, strict=True)
        return {"pixel_values": torch.stack(images), "labels": torch.stack(labels)}

    arguments = TrainingArguments(
        str(tmp_path / "out"), num_train_epochs=4, eval_strategy="epoch", use_cpu=True,
        disable_tqdm=True, report_to=[], dataloader_pin_memory=False,
    )  # fmt: skip
    space["trainer"] = Trainer(
        Images(), arguments, data_collator=collate,
        train_dataset=task.train, eval_dataset=task.validation,
    )  # fmt: skip
    space["samples"] = task.answers(task.logits(space["model"])).samples
    exec(block("integrations.transformers"), space)
    assert is_pruned(ps.Masks.load("masks.safetensors"), space["trainer"].model)
    assert ps.Audit.load("audit").info.models[0].name == "dense"


def test_lightning(space, task):
    class Module(LightningModule):
        def __init__(self):
            super().__init__()
            self.network = task.network()

        def training_step(self, batch, _):
            return nn.functional.cross_entropy(self.network(batch[0]), batch[1])

        def validation_step(self, batch, _):
            return {"logits": self.network(batch[0]), "labels": batch[1]}

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), 0.02)

    space["dense"] = task.answers(task.logits(space["model"]))
    space["module"] = Module()
    space |= {"train_loader": task.train_loader, "validation_loader": task.validation_loader}
    space["epochs"] = 4
    exec(block("integrations.lightning"), space)
    assert is_pruned(ps.Masks.load("masks.safetensors"), space["module"].network)
    assert ps.Audit.load("audit").info.models[0].name == "dense"
    shutil.rmtree("lightning_logs")


def test_every_block_is_run():
    words = (
        "Criterion(distribution", "training.pt", "GradScaler", "torch.compile", "Accelerator(",
        "AveragedModel", "integrations.transformers", "integrations.lightning",
    )  # fmt: skip
    assert len(BLOCKS) == len(words) + 1
    assert sorted(map(BLOCKS.index, map(block, words))) == list(range(1, len(BLOCKS)))
