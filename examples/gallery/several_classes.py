# %% [markdown]
# # One of several classes: ten digits, fewer and fewer bits
#
# A linear model reads scikit-learn's digits, 8 × 8 pixels each. Then its weights are rounded, to 8,
# 4 and 2 bits, as any tool might do it. How few bits may be shipped, and which digit pays?

# %%
import numpy as np
import polars as pl
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import prunescope as ps

digits = load_digits()
pixels, labels = digits.data / 16, digits.target
half = len(pixels) // 2
model = LogisticRegression(C=0.1, max_iter=500).fit(pixels[:half], labels[:half])


def answers(bits):
    """Return the scores of the model with its weights rounded."""
    step = np.abs(model.coef_).max() / (2 ** (bits - 1) - 1)
    return pixels[half:] @ (np.round(model.coef_ / step) * step).T + model.intercept_


# %% [markdown]
# Where one class is chosen, the audit judges the one answer of an image: how often it is right
# (`top1_accuracy`), and of each class how many of its images are found (`tpr`, recall). Groups are
# optional; here, whether a digit was written with much ink.

# %%
ink = pixels[half:].sum(axis=1)
audit = ps.audit(
    dense=answers(32),
    compressed={f"int{bits}": answers(bits) for bits in (8, 4, 2)},
    labels=labels[half:],
    classes=[f"digit {number}" for number in model.classes_],
    groups={"ink": np.where(ink > np.median(ink), "heavy", "light")},
)
print(audit.overall.filter(metric="top1_accuracy").select("model", "value", "low", "high"))

# %% [markdown]
# May it be shipped? Nine hundred images are few: what they cannot rule out is named.

# %%
print(ps.verdict(audit).text)

# %% [markdown]
# Which digits are found less often with 2 bits? The worst first, with the 95% interval of the
# change.

# %%
columns = ["model", "attribute", "baseline", "value", "delta_low", "delta_high"]
one_digit = pl.col("group").is_null() & pl.col("attribute").is_not_null()
worst = audit.worst("tpr", n=100).filter(one_digit)
print(worst.select(columns).head(4))
