"""transformers' Trainer, with the callbacks, does what a plain loop does."""

import contextlib
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from transformers import Trainer, TrainerCallback, TrainingArguments

from prunescope.errors import CheckpointError, ConfigError, DataError, PrunescopeWarning
from prunescope.integrations.transformers import MASKS, AuditCallback, PruneCallback
from prunescope.pruning import Gradual, OneShot
from prunescope.verdict import Policy

pytestmark = pytest.mark.filterwarnings("ignore:'pin_memory' argument")


class Wrapped(nn.Module):
    """The network as the Trainer wants it."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, pixel_values, labels=None):
        logits = self.network(pixel_values)
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits}


def collate(rows):
    images, labels = zip(*rows, strict=True)
    return {"pixel_values": torch.stack(images), "labels": torch.stack(labels)}


@pytest.fixture
def trainer(task, tmp_path):
    """Return a function that makes a Trainer of a network."""

    def make(network, callbacks, folder="out", compute_metrics=None, **options):
        arguments = TrainingArguments(
            **{
                "output_dir": str(tmp_path / folder),
                "num_train_epochs": 4,
                "per_device_train_batch_size": 8,
                "train_sampling_strategy": "sequential",
                "lr_scheduler_type": "constant",
                "max_grad_norm": 0.5,
                "save_strategy": "epoch",
                "use_cpu": True,
                "report_to": [],
                "disable_tqdm": True,
                "dataloader_pin_memory": False,
                **options,
            }
        )
        model = Wrapped(network)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.01)
        return Trainer(
            model,
            arguments,
            data_collator=collate,
            train_dataset=task.train,
            eval_dataset=task.validation,
            compute_metrics=compute_metrics,
            callbacks=callbacks,
            optimizers=(optimizer, None),
        )

    return make


NO_WARNING = contextlib.nullcontext()


def bare(masks):
    return {name.removeprefix("network."): mask for name, mask in masks.items()}


def is_same(masks, others):
    return masks.keys() == others.keys() and all(torch.equal(masks[n], others[n]) for n in masks)


@pytest.mark.parametrize("options", [{}, {"ignore": "*head"}, {"schedule": OneShot()}])
def test_masks_and_weights_are_those_of_a_plain_loop(task, trainer, same, options):
    plain, network = task.network(), task.network()
    expected = task.plain(plain, clip=0.5, **options)
    prune = PruneCallback(0.8, **options)
    trainer(network, [prune]).train()
    assert is_same(bare(prune.masks), dict(expected))
    assert same(network, plain)
    assert round(prune.masks.sparsity, 1) == 0.8


def test_micro_batches_are_no_steps(task, trainer):
    plain, network = task.network(), task.network()
    schedule = Gradual(0.25, 0.75, n_updates=3)
    expected = task.plain(plain, parts=2, clip=0.5, schedule=schedule)
    prune = PruneCallback(0.8, schedule=schedule)
    trainer(network, [prune], gradient_accumulation_steps=2).train()
    assert prune.pruner.n_steps == 12
    assert is_same(bare(prune.masks), dict(expected))


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_resuming_gives_the_bits_of_an_unbroken_run(task, trainer, same, tmp_path, epoch):
    class Stop(TrainerCallback):
        def on_epoch_end(self, args, state, control, **kwargs):
            control.should_training_stop = state.epoch >= epoch

    unbroken, resumed = task.network(), task.network()
    expected = PruneCallback(0.8)
    trainer(unbroken, [expected], "unbroken").train()
    with pytest.warns(PrunescopeWarning, match="instead of 0.8") if epoch < 3 else NO_WARNING:
        trainer(task.network(), [PruneCallback(0.8), Stop()]).train()
    prune = PruneCallback(0.8)
    trainer(resumed, [prune]).train(resume_from_checkpoint=True)
    assert prune.masks == expected.masks
    assert same(resumed, unbroken)

    moved = tmp_path / "elsewhere"
    shutil.move(tmp_path / "out" / f"checkpoint-{6 * epoch}", moved)
    shutil.rmtree(tmp_path / "out")
    resumed, prune = task.network(), PruneCallback(0.8, resume_from=moved)
    trainer(resumed, [prune]).train(resume_from_checkpoint=str(moved))
    assert prune.masks == expected.masks
    assert same(resumed, unbroken)


def test_a_training_before_leaves_nothing_behind(task, trainer, same, tmp_path):
    unbroken, network = task.network(), task.network()
    trainer(unbroken, [PruneCallback(0.8)], "unbroken").train()
    prune = PruneCallback(0.8)
    made = trainer(network, [prune])
    made.train()
    expected = prune.masks
    made.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-6"))
    assert prune.masks == expected
    assert same(network, unbroken)


def test_checkpoints_without_masks_or_with_others(task, trainer, tmp_path):
    trainer(task.network(), [PruneCallback(0.8)]).train()
    folder = tmp_path / "out"
    last = folder / "checkpoint-18" / MASKS
    shutil.rmtree(folder / "checkpoint-24")
    last.unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint-18.*resume_from which checkpoint"):
        trainer(task.network(), [PruneCallback(0.8)]).train(resume_from_checkpoint=True)
    last.write_bytes(b"no masks")
    with pytest.raises(CheckpointError, match="cannot read the masks"):
        trainer(task.network(), [PruneCallback(0.8)]).train(resume_from_checkpoint=True)
    shutil.rmtree(folder / "checkpoint-18")
    trainer(task.network(), [PruneCallback(0.8, schedule=OneShot())], "other").train()
    shutil.copy(tmp_path / "other" / "checkpoint-24" / MASKS, folder / "checkpoint-12" / MASKS)
    with pytest.raises(CheckpointError, match="holds the masks of other weights"):
        trainer(task.network(), [PruneCallback(0.8)]).train(resume_from_checkpoint=True)


def test_the_best_model_has_its_own_masks(task, trainer, tmp_path):
    def worse_each_time(answers):
        worse_each_time.n += 1
        return {"score": -worse_each_time.n}

    worse_each_time.n = 0
    network, prune = task.network(), PruneCallback(0.8)
    made = trainer(
        network, [prune], compute_metrics=worse_each_time, eval_strategy="epoch",
        load_best_model_at_end=True, metric_for_best_model="score", greater_is_better=True,
    )  # fmt: skip
    with pytest.warns(PrunescopeWarning, match="6 of 24 steps"):
        made.train()
    assert made.state.best_model_checkpoint.endswith("checkpoint-6")
    assert 0 < prune.masks.sparsity < 0.7
    weights = prune.masks.check(made.model)
    assert all(torch.equal(weight != 0, prune.masks[name]) for name, weight in weights.items())


POLICY = """{version: 2, criteria: [
    {metric: top1_accuracy, gte: -0.05, relative: true, severity: severe}]}"""


@pytest.fixture
def dense(task):
    """Return a dense network that is nearly always right, and its answers."""
    network = task.network()
    optimizer = torch.optim.AdamW(network.parameters(), 0.05)
    for _ in range(20):
        for images, labels in task.train_loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images), labels).backward()
            optimizer.step()
    return network, task.answers(task.logits(network))


def test_every_evaluation_is_audited(task, trainer, dense):
    network, answers = dense
    prune = PruneCallback(0.8)
    audit = AuditCallback(answers, pruning=prune, replicates=32)
    made = trainer(
        network, [prune, audit], compute_metrics=audit.compute_metrics, eval_strategy="epoch"
    )
    made.train()
    logged = [row for row in made.state.log_history if "eval_audit_sparsity" in row]
    assert len(logged) == 4
    labels = task.validation.tensors[1].numpy()
    right, before = (z.argmax(1) == labels for z in (task.logits(network), answers.logits))
    assert logged[-1]["eval_audit_top1_accuracy"] == pytest.approx(right.mean())
    harmful = (before & ~right).mean()
    assert logged[-1]["eval_audit_top1_harmful_flip_rate"] == pytest.approx(harmful)
    worst = min(right[::2].mean(), right[1::2].mean())
    assert logged[-1]["eval_audit_worst_group_top1_accuracy"] == pytest.approx(worst)
    assert logged[-1]["eval_audit_sparsity"] == pytest.approx(prune.masks.sparsity)
    assert audit.audit.info.models[1].metadata.compression.sparsity == prune.masks.sparsity


@pytest.mark.parametrize(("stop_after", "epochs"), [(None, 4), (2, 2), (1, 1)])
def test_training_stops_where_the_policy_says_so(task, trainer, dense, stop_after, epochs):
    perfect = task.answers(np.eye(3)[task.validation.tensors[1].numpy()] * 9)
    audit = AuditCallback(perfect, policy=Policy.parse(POLICY), stop_after=stop_after)
    made = trainer(
        task.network(), [audit], compute_metrics=audit.compute_metrics, eval_strategy="epoch",
        learning_rate=1e-9, optim="sgd",
    )  # fmt: skip
    for group in made.optimizer.param_groups:
        group["lr"] = 0.0  # it learns nothing
    made.train()
    assert made.state.epoch == epochs
    assert audit.verdict.answer == "stop"
    assert [r["eval_audit_do_not_ship"] for r in made.state.log_history if "eval_loss" in r] == [
        1
    ] * epochs


def test_verdicts_are_counted_on_when_training_is_resumed(dense):
    audit = AuditCallback(dense[1], stop_after=3)
    history = [{"eval_audit_do_not_ship": n} for n in (1, 0, 1, 1)]
    audit.on_train_begin(None, SimpleNamespace(log_history=[*history, {"loss": 1}]), None)
    assert audit.in_a_row == 2


def test_what_the_audit_must_be_told(task, trainer, dense):
    audit = AuditCallback(dense[1])
    made = trainer(task.network(), [audit], eval_strategy="epoch", max_steps=6)
    with pytest.raises(ConfigError, match=r"compute_metrics=audit.compute_metrics as well"):
        made.train()
    other = SimpleNamespace(predictions=np.zeros((5, 3)), label_ids=np.zeros(5, int))
    with pytest.raises(DataError, match=r"shape \(5, 3\), the dense model \(120, 3\)"):
        audit.compute_metrics(other)
    labels = task.validation.tensors[1].numpy().copy()
    labels[7] = (labels[7] + 1) % 3
    mixed = SimpleNamespace(predictions=(np.zeros((120, 3)), None), label_ids=labels)
    with pytest.raises(DataError, match=r"1 of 120 samples .* in row 8 \(id 'image-7'\)"):
        audit.compute_metrics(mixed)
    policy = Policy.parse(POLICY.replace("severity", "group: age, severity"))
    with pytest.raises(ConfigError, match="age"):
        AuditCallback(dense[1], policy=policy)
    with pytest.raises(ConfigError, match="stop_after is 0"):
        AuditCallback(dense[1], stop_after=0)


def test_weights_that_are_computed_are_refused():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 2)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    state = SimpleNamespace(max_steps=20, global_step=0)
    with pytest.raises(ConfigError, match=r"^0: the weights are computed by WeightNorm"):
        PruneCallback(0.9).on_train_begin(None, state, None, model=model, optimizer=optimizer)
