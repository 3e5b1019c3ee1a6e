"""Pruning and auditing inside other libraries; each module needs its library.

``prunescope.integrations.transformers``
    Callbacks of transformers' ``Trainer``.
``prunescope.integrations.lightning``
    Callbacks of Lightning's ``Trainer``.
``prunescope.integrations.mlflow``
    An evaluator for ``mlflow.models.evaluate``.

The first two have a `PruneCallback`, which prunes by a schedule and keeps the masks with the
trainer's checkpoints, and an `AuditCallback`, which compares the model with the dense one at every
validation. What all do is `prunescope.Pruner`'s and `prunescope.audit`'s.
"""
