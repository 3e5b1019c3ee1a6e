"""Pruning and auditing in the trainers of other libraries; each module needs its library.

``prunescope.integrations.transformers``
    Callbacks of transformers' ``Trainer``.
``prunescope.integrations.lightning``
    Callbacks of Lightning's ``Trainer``.

Both have a `PruneCallback`, which prunes by a schedule and keeps the masks with the trainer's
checkpoints, and an `AuditCallback`, which compares the model with the dense one at every
validation. What they do is `prunescope.Pruner`'s and `prunescope.audit`'s.
"""

import prunescope.models  # noqa: F401 - says what to install where torch is missing
