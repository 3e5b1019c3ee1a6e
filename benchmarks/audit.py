"""The audit of a whole study's models, beside loops over other libraries, in one run.

    python benchmarks/audit.py

19,962 samples × 40 attributes × 22 models (4 dense seeds, 18 compressed), 4 groups: every metric
without intervals, and with 1,000 bootstrap replicates. Beside it, each on a part of the same work
and scaled up (the table says by how much):

- scikit-learn: accuracy, recall, precision, balanced accuracy per attribute × slice, AUC and
  average precision per attribute, in loops;
- torchmetrics: the same of all attributes at once, slice by slice, where it has a multi-label form;
- fairlearn: `MetricFrame` with its own bootstrap, accuracy and recall per attribute and group.
"""

from __future__ import annotations

import argparse
import platform
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from prunescope.audit import audit
from prunescope.data.samples import Group, Samples
from prunescope.predictions import Compression, Metadata, Predictions
from seen import write_page

N, A, MODELS, DENSE = 19_962, 40, 22, 4
GROUPS = ("Male", "Young", "Chubby", "Pale_Skin")
REPLICATES = 1000


def draw(rng):
    """Return dense and compressed models of labels that hang together."""
    hidden = rng.normal(size=(N, 5))
    latent = hidden @ rng.normal(size=(5, A)) + 2 * rng.normal(size=(N, A))
    cuts = [np.quantile(latent[:, a], share) for a, share in enumerate(rng.uniform(0.5, 0.97, A))]
    labels = (latent > cuts).astype(np.int8)
    groups = {
        name: Group.from_series(pl.Series(labels[:, i] == 1)) for i, name in enumerate(GROUPS)
    }
    ids = pl.Series([str(i) for i in range(N)])
    samples = Samples(ids, tuple(f"a{i}" for i in range(A)), labels, groups)
    rates = samples.rates()
    told = {"train_prevalence": rates.prevalence, "train_group_rates": rates.group_rates}
    models = []
    for i in range(MODELS):
        dense = i < DENSE
        how = Compression() if dense else Compression(
            method="gmp", sparsity=(0.8, 0.9, 0.95, 0.98, 0.99, 0.995)[(i - DENSE) // 3]
        )  # fmt: skip
        scale = 1.0 if dense else 1 + 0.1 * ((i - DENSE) // 3)
        logits = (3 * labels - 2.5 + scale * 1.5 * rng.normal(size=labels.shape)).astype(np.float32)
        seed = i if dense else (i - DENSE) % 3
        metadata = Metadata(name=f"model{i}", seed=seed, compression=how, **told)
        models.append(Predictions(samples, logits, metadata))
    return models[:DENSE], models[DENSE:]


def timed(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def slices_of(samples):
    yield slice(None)
    for group in samples.groups.values():
        for code in range(len(group.values)):
            yield group.codes == code


def by_scikit(model):
    from sklearn import metrics

    for rows in slices_of(model.samples):
        labels, answers = model.samples.labels[rows], model.decisions[rows]
        for a in range(A):
            metrics.accuracy_score(labels[:, a], answers[:, a])
            metrics.recall_score(labels[:, a], answers[:, a], zero_division=0)
            metrics.precision_score(labels[:, a], answers[:, a], zero_division=0)
            metrics.balanced_accuracy_score(labels[:, a], answers[:, a])
    for a in range(A):
        metrics.roc_auc_score(model.samples.labels[:, a], model.logits[:, a])
        metrics.average_precision_score(model.samples.labels[:, a], model.logits[:, a])


def by_torchmetrics(model):
    import torch
    from torchmetrics.functional import classification as tm

    scores = torch.tensor(model.probabilities)
    labels = torch.tensor(model.samples.labels.astype(np.int64))
    options = {"num_labels": A, "average": None}
    for rows in slices_of(model.samples):
        index = rows if isinstance(rows, slice) else torch.tensor(rows)
        part = scores[index], labels[index]
        for metric in (tm.multilabel_accuracy, tm.multilabel_recall, tm.multilabel_precision):
            metric(*part, **options)
    tm.multilabel_auroc(scores, labels, **options)
    tm.multilabel_average_precision(scores, labels, **options)


def by_fairlearn(model, n_boot):
    from fairlearn.metrics import MetricFrame
    from sklearn.metrics import accuracy_score, recall_score

    codes = model.samples.groups[GROUPS[0]].codes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        MetricFrame(
            metrics={"accuracy": accuracy_score, "recall": recall_score},
            y_true=model.samples.labels[:, 0],
            y_pred=model.decisions[:, 0].astype(int),
            sensitive_features=codes,
            n_boot=n_boot,
            ci_quantiles=[0.025, 0.975],
            random_state=0,
        )


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--out", type=Path, help="write a Markdown table here")
    chosen = arguments.parse_args()
    dense, compressed = draw(np.random.default_rng(0))
    audit(dense[:1], compressed[:1], replicates=100)  # warm up
    fresh = [replace(model) for model in dense], [replace(model) for model in compressed]
    plain, found = timed(lambda: audit(*fresh, replicates=0, n_affected=0))
    whole, _ = timed(lambda: audit(dense, compressed, replicates=REPLICATES))
    scikit, _ = timed(lambda: by_scikit(dense[0]))
    torch_, _ = timed(lambda: by_torchmetrics(dense[0]))
    n_boot = 20
    fair, _ = timed(lambda: by_fairlearn(dense[0], n_boot))
    fair *= REPLICATES / n_boot * A * len(GROUPS) * MODELS
    rows = [
        ("prunescope, all metrics, no intervals", f"{found.table.height:,} rows", plain, ""),
        ("prunescope, all metrics, 1,000 replicates", f"{found.table.height:,} rows", whole, ""),
        ("scikit-learn, 6 metrics, no intervals", "1 model", scikit * MODELS, f"× {MODELS}"),
        ("torchmetrics, 5 metrics, no intervals", "1 model", torch_ * MODELS, f"× {MODELS}"),
        (
            "fairlearn, 2 metrics, 1,000 replicates",
            f"1 attribute, 1 group, {n_boot} replicates",
            fair,
            f"× {REPLICATES // n_boot * A * len(GROUPS) * MODELS:,}",
        ),
    ]
    text = "\n".join(
        [
            f"{N:,} samples × {A} attributes × {MODELS} models × {len(GROUPS)} groups; "
            f"{platform.processor() or platform.machine()}, seed 0",
            "",
            "| what | measured on | seconds | scaled by | seconds a model |",
            "|---|---|---|---|---|",
            *(
                f"| {what} | {part} | {seconds:,.1f} | {scaled or '–'} | {seconds / MODELS:,.3f} |"
                for what, part, seconds, scaled in rows
            ),
        ]
    )
    print(text)
    if chosen.out:
        write_page(chosen.out, text)


if __name__ == "__main__":
    main()
