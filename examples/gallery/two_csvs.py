# %% [markdown]
# # A first audit: two CSV files
#
# A model was made smaller by some tool. All there is now are two files, what it answered before and
# after, one row per image. Nothing else is needed: no model, no PyTorch.

# %% [markdown]
# The files are made up here, so that we know what is in them: 3,000 people, a third of whom smile;
# one in twelve is bald. The smaller model answers nearly as the larger one, but it has forgotten
# half of the bald women.

# %%
import numpy as np
import polars as pl

import prunescope as ps

rng = np.random.default_rng(0)
n = 3000
truth = rng.random((n, 2)) < [1 / 3, 1 / 12]
woman = rng.random(n) < 0.5
large = np.where(truth, 3, -3) + rng.normal(0, 1.2, (n, 2))
small = large + rng.normal(0, 0.2, (n, 2))
forgotten = truth[:, 1] & woman & (rng.random(n) < 0.5)
small[forgotten, 1] = -3

for name, scores in {"large": large, "small": small}.items():
    columns = {"id": [f"{i:04}.jpg" for i in range(n)], "group__woman": woman}
    for a, attribute in enumerate(("Smiling", "Bald")):
        columns |= {f"y__{attribute}": truth[:, a], f"logit__{attribute}": scores[:, a].round(3)}
    pl.DataFrame(columns).write_csv(f"{name}.csv")
print(pl.read_csv("small.csv").head(3))

# %% [markdown]
# The audit takes the paths. `prunescope audit large.csv --compressed small.csv` does the same, and
# writes a page to look at.

# %%
audit = ps.audit("large.csv", "small.csv")
print(ps.verdict(audit).text)

# %% [markdown]
# Accuracy over all people tells little of it. Who is found tells: of the bald women one in two or
# three (`tpr`, the share of true positives that are found), of the bald men as many as before.

# %%
columns = ["metric", "group_value", "baseline", "value", "delta_low", "delta_high", "verdict"]
small = audit.table.filter(model="small")
print(small.filter(metric="accuracy", attribute="Bald").select(columns))
print(small.filter(metric="tpr", attribute="Bald", group="woman").select(columns))
