"""A network of one's own in a Lightning loop: train it, prune it, see what that did.

    python examples/your_loop/lightning_loop.py OUT

writes the dense and the pruned weights, the masks, the audit of the last epoch, and the figures of
every epoch to the folder OUT. It takes a minute or two on two cores.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import prunescope as ps
from prunescope.integrations.lightning import AuditCallback, PruneCallback


class Faces(LightningModule):
    """A small network that tells attributes of faces."""

    def __init__(self, n_attributes: int, learning_rate: float) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.network = nn.Sequential(
            nn.Conv2d(3, 32, 3, stride=2, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.Conv2d(64, 128, 3, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(512, n_attributes),
        )  # fmt: skip

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        """Return the loss of a batch."""
        images, labels = batch
        return nn.functional.binary_cross_entropy_with_logits(self.network(images), labels)

    def validation_step(self, batch: list[torch.Tensor], _: int) -> dict[str, torch.Tensor]:
        """Return what AuditCallback asks for."""
        images, labels = batch
        return {"logits": self.network(images), "labels": labels}

    def predict_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        """Return the logits of a batch."""
        return self.network(batch[0])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), self.learning_rate)


def loader(faces: ps.Dataset, *, shuffle: bool = False) -> DataLoader:
    images = torch.from_numpy(faces.pixels[faces.rows]).float() / 255
    labels = torch.from_numpy(faces.samples.labels).float()
    return DataLoader(TensorDataset(images, labels), 64, shuffle=shuffle)


def main(out: Path, n_train: int = 3000, n_val: int = 1000, epochs: int = 8) -> None:
    seed_everything(0)
    faces = ps.synthetic_faces(n_train, n_val, 1, size=32)
    train, val = faces.split("train"), faces.split("val")
    common = {"accelerator": "cpu", "devices": 1, "enable_progress_bar": False}
    attributes = train.samples.attributes

    # 1. The dense model, as it would be trained without us.
    module = Faces(len(attributes), learning_rate=0.003)
    trainer = Trainer(max_epochs=epochs, logger=False, enable_checkpointing=False, **common)
    trainer.fit(module, loader(train, shuffle=True))
    torch.save(module.state_dict(), out / "dense.pt")

    # 2. What it answers on the validation set: all that an audit needs to know of it.
    logits = torch.cat(trainer.predict(module, loader(val))).numpy()
    dense = ps.Predictions(val.samples, logits, ps.Metadata(name="dense"))
    dense.save(out / "dense.parquet")

    # 3. The same loop with two callbacks more: 95% of the weights go, and each epoch is audited.
    prune = PruneCallback(0.95, network="network")
    rates = train.samples.rates()
    audit = AuditCallback(dense, pruning=prune, train_rates=rates, replicates=128)
    logger = CSVLogger(out, "log", "")
    keep = ModelCheckpoint(out, "last")
    module.learning_rate = 0.001
    trainer = Trainer(max_epochs=epochs, logger=logger, callbacks=[prune, audit, keep], **common)
    trainer.fit(module, loader(train, shuffle=True), loader(val))

    # 4. What is left: weights, masks, and what pruning did.
    torch.save(module.network.state_dict(), out / "pruned.pt")
    prune.masks.save(out / "masks.safetensors")
    audit.audit.save(out / "audit")
    print(f"{prune.masks}: {audit.verdict.answer}, {audit.verdict.text}")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
