"""Lightning's Trainer, with the callbacks, does what a plain loop does."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import nn

from prunescope.errors import CheckpointError, ConfigError, DataError, PrunescopeWarning
from prunescope.integrations.lightning import AuditCallback, PruneCallback
from prunescope.pruning import Gradual, OneShot
from prunescope.verdict import Policy

pytestmark = [
    pytest.mark.filterwarnings("ignore::lightning.fabric.utilities.warnings.PossibleUserWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory"),
    pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning"),
]


class Module(LightningModule):
    """The network as Lightning wants it."""

    def __init__(self, network, make=None):
        super().__init__()
        self.network = network
        self.make = make or (lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.01))

    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self.network(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        return {"logits": self.network(batch[0]), "labels": batch[1]}

    def configure_optimizers(self):
        return self.make(self.parameters())


@pytest.fixture
def fit(task, tmp_path):
    """Return a function that fits a module, and returns the Trainer."""

    def run(module, callbacks, folder="out", ckpt_path=None, validate=False, **options):
        module = module if isinstance(module, LightningModule) else Module(module)
        trainer = Trainer(
            **{
                "accelerator": "cpu",
                "devices": 1,
                "max_epochs": 4,
                "callbacks": callbacks,
                "logger": False,
                "default_root_dir": tmp_path / folder,
                "enable_progress_bar": False,
                "enable_model_summary": False,
                "enable_checkpointing": any(isinstance(c, ModelCheckpoint) for c in callbacks),
                **options,
            }
        )
        loaders = [task.train_loader, *([task.validation_loader] if validate else [])]
        trainer.fit(module, *loaders, ckpt_path=ckpt_path)
        return trainer

    return run


@pytest.mark.parametrize("options", [{}, {"ignore": "head"}, {"schedule": OneShot()}])
def test_masks_and_weights_are_those_of_a_plain_loop(task, fit, same, options):
    plain, network = task.network(), task.network()
    expected = task.plain(plain, clip=0.5, **options)
    prune = PruneCallback(0.8, network="network", **options)
    fit(network, [prune], gradient_clip_val=0.5)
    assert prune.masks == expected
    assert same(network, plain)


def test_the_whole_module_is_pruned_unless_told(task, fit):
    network, prune = task.network(), PruneCallback(0.8)
    fit(network, [prune])
    assert list(prune.masks) == ["network.conv.weight", "network.head.weight"]
    with pytest.raises(ConfigError, match="Module has no network 'net'"):
        fit(network, [PruneCallback(0.8, network="net")])


def test_micro_batches_are_no_steps(task, fit):
    schedule = Gradual(0.25, 0.75, n_updates=3)
    expected = task.plain(task.network(), parts=2, schedule=schedule)
    prune = PruneCallback(0.8, network="network", schedule=schedule)
    fit(task.network(), [prune], accumulate_grad_batches=2)
    assert prune.pruner.n_steps == 12
    assert prune.masks == expected


def test_bfloat16(task, fit):
    network, prune = task.network(), PruneCallback(0.8, network="network")
    fit(network, [prune], precision="bf16-mixed")
    weights = prune.masks.check(network)
    assert sum(int((weight != 0).sum()) for weight in weights.values()) == 24


class ByStep(Module):
    """Looks its batches up: within an epoch, Lightning resumes at the first batch."""

    def training_step(self, batch, batch_idx):
        batches = list(self.trainer.train_dataloader)
        return super().training_step(batches[self.trainer.global_step % len(batches)], batch_idx)


@pytest.mark.parametrize("stopped", [1, 5, 12, 17, 23])
def test_resuming_gives_the_bits_of_an_unbroken_run(task, fit, same, tmp_path, stopped):
    unbroken, resumed = task.network(), task.network()
    expected = PruneCallback(0.8, network="network")
    saving = ModelCheckpoint(
        tmp_path / "kept",
        "{step}",
        every_n_train_steps=1,
        save_top_k=-1,
        save_on_train_epoch_end=False,
    )
    fit(ByStep(unbroken), [expected, saving])
    prune = PruneCallback(0.8, network="network")
    fit(ByStep(resumed), [prune], ckpt_path=tmp_path / "kept" / f"step={stopped}.ckpt")
    assert prune.masks == expected.masks
    assert same(resumed, unbroken)


def test_a_run_before_leaves_nothing_behind(task, fit, same, tmp_path):
    unbroken, network = task.network(), task.network()
    expected, prune = (PruneCallback(0.8, network="network") for _ in range(2))
    fit(unbroken, [expected])
    before = fit(task.network(), [prune, ModelCheckpoint(tmp_path, "last")], max_epochs=4)
    before.validate(Module(task.network()), task.validation_loader, tmp_path / "last.ckpt")
    fit(network, [prune])
    assert prune.masks == expected.masks
    assert same(network, unbroken)


def test_a_checkpoint_without_masks(task, fit, tmp_path):
    fit(task.network(), [ModelCheckpoint(tmp_path, "dense")], max_epochs=1)
    with pytest.raises(CheckpointError, match="at step 6 from a checkpoint that holds no masks"):
        fit(task.network(), [PruneCallback(0.8)], ckpt_path=tmp_path / "dense.ckpt")


class Watch(Callback):
    """Takes down the weights that are validated."""

    def __init__(self, prune):
        self.prune, self.revived, self.moved = prune, 0, 0

    def on_validation_start(self, trainer, pl_module):
        self.trained = pl_module.network.conv.weight.detach().clone()

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx):
        masks = self.prune.masks
        for name, weight in masks.check(pl_module.network).items():
            self.revived += int(weight[~masks[name]].any())
        self.moved += int(not torch.equal(self.trained, pl_module.network.conv.weight))


def test_averaged_weights_are_masked_when_they_are_validated(task, fit):
    prune = PruneCallback(0.8, network="network")
    watch = Watch(prune)
    callbacks = [EMAWeightAveraging(decay=0.9), prune, watch]
    fit(task.network(), callbacks, validate=True, num_sanity_val_steps=0)
    assert watch.moved
    assert not watch.revived


def test_averaged_weights_are_masked_when_they_are_saved_and_in_the_end(task, fit, tmp_path):
    network, prune = task.network(), PruneCallback(0.8, network="network")
    fit(network, [EMAWeightAveraging(decay=0.9), prune, ModelCheckpoint(tmp_path, "last")])
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    for name, mask in prune.masks.items():
        assert not network.get_parameter(name)[~mask].any()
        assert not saved["state_dict"][f"network.{name}"][~mask].any()
    average, trained = (
        saved[kind]["network.conv.weight"] for kind in ("state_dict", "current_model_state")
    )
    assert not torch.equal(average, trained)


def test_averages_that_are_made_after_the_masks_are_refused(task, fit):
    with pytest.raises(ConfigError, match="put PruneCallback behind it"):
        fit(task.network(), [PruneCallback(0.8), EMAWeightAveraging(decay=0.9)])


def test_what_a_training_must_have(task, fit):
    network = task.network()

    def two(parameters):
        return [
            torch.optim.SGD(network.conv.parameters(), 0.1),
            torch.optim.SGD(network.head.parameters(), 0.1),
        ]

    module = Module(network, two)
    module.automatic_optimization = False
    with pytest.raises(ConfigError, match="has 2 optimizers: expected one"):
        fit(module, [PruneCallback(0.8)])
    with pytest.raises(ConfigError, match="does not know how many steps"):
        fit(network, [PruneCallback(0.8)], max_epochs=-1)
    with pytest.warns(PrunescopeWarning, match="24 of 48 steps"):
        fit(network, [PruneCallback(0.8, steps=48)])


@pytest.fixture
def dense(task):
    return task.answers(np.eye(3)[task.validation.tensors[1].numpy()] * 9)


def test_every_validation_is_audited(task, fit, dense, tmp_path):
    network, prune = task.network(), PruneCallback(0.8, network="network")
    audit = AuditCallback(dense, pruning=prune, replicates=32)
    logger = CSVLogger(tmp_path, "log", "")
    fit(network, [prune, audit], validate=True, logger=logger)
    lines = (tmp_path / "log" / "metrics.csv").read_text().splitlines()
    logged = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    assert len(logged) == 4
    labels = task.validation.tensors[1].numpy()
    right = task.logits(network).argmax(1) == labels
    last = {name: float(value) for name, value in logged[-1].items()}
    assert last["audit_top1_accuracy"] == pytest.approx(right.mean())
    assert last["audit_top1_harmful_flip_rate"] == pytest.approx(1 - right.mean())
    assert last["audit_sparsity"] == pytest.approx(prune.masks.sparsity)


POLICY = """{version: 2, criteria: [
    {metric: top1_accuracy, gte: -0.05, relative: true, severity: severe}]}"""


@pytest.mark.parametrize(("stop_after", "epochs"), [(None, 4), (2, 2)])
def test_training_stops_where_the_policy_says_so(task, fit, dense, tmp_path, stop_after, epochs):
    policy = Policy.parse(POLICY)

    def start():
        audit = AuditCallback(dense, policy=policy, stop_after=stop_after)
        module = Module(task.network(), lambda parameters: torch.optim.SGD(parameters, 0.0))
        return module, [audit, ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1)]

    module, callbacks = start()
    assert fit(module, callbacks, validate=True).current_epoch == epochs
    assert callbacks[0].verdict.answer == "stop"
    module, callbacks = start()
    path = tmp_path / "epoch=0.ckpt"
    assert fit(module, callbacks, validate=True, ckpt_path=path).current_epoch == epochs


def test_what_the_audit_must_be_told(task, fit, dense):
    module = Module(task.network())
    module.validation_step = lambda batch, batch_idx: None
    with pytest.raises(DataError, match="of Module returned a NoneType: AuditCallback expects"):
        fit(module, [AuditCallback(dense)], validate=True)
    with pytest.raises(DataError, match=r"shape \(32, 3\), the dense model \(120, 3\)"):
        fit(task.network(), [AuditCallback(dense)], validate=True, limit_val_batches=1)
    with pytest.raises(ConfigError, match="2 processes share the validation set"):
        AuditCallback(dense).setup(SimpleNamespace(world_size=2), None, "fit")


def test_a_training_without_validation_is_told(task, fit, dense):
    with pytest.warns(PrunescopeWarning, match="nothing was audited"):
        fit(task.network(), [AuditCallback(dense)])


def test_dense_answers_are_predictions():
    with pytest.raises(ConfigError, match=r"dense is a str: expected Predictions; of a file"):
        AuditCallback("dense.parquet")
