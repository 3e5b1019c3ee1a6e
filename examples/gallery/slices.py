# %% [markdown]
# # Whom does it hurt, if nobody labelled the groups?
#
# Most data sets name no groups. There may still be people whom a smaller model fails. Here it is
# those photographed at night by one camera: the model was made smaller, and a fifth of their
# answers turned. Nobody told the audit about cameras.

# %%
import numpy as np
import polars as pl

import prunescope as ps

rng = np.random.default_rng(1)
n = 4000
camera, hour = rng.choice(["front", "side", "roof"], n), rng.integers(0, 24, n)
truth = rng.random((n, 2)) < [0.5, 0.2]
dense = np.where(truth, 2, -2) + rng.normal(0, 1.5, (n, 2))
small = dense + rng.normal(0, 0.3, (n, 2))
hurt = (camera == "roof") & (hour >= 18) & (rng.random(n) < 0.2)
small[hurt] *= -1

# %% [markdown]
# `metadata` is whatever is known of the images. Half of them are searched for short rules; the
# other half, which the search never saw, judges what was found.

# %%
ids = [f"{i}.jpg" for i in range(n)]
found = ps.find_slices(
    dense,
    {"small": small},
    metadata=pl.DataFrame({"id": ids, "camera": camera, "hour": hour}),
    labels=truth,
    attributes=["person", "car"],
    ids=ids,
)
print(found)

# %% [markdown]
# The rule that was planted is found, to the hour, and the half that was not searched bears it out:
# the share of answers that went from right to wrong inside and elsewhere, and how much more
# that is, in points and with a 95% interval. (The first condition tells how sure the dense model
# was.)

# %%
for row in found.table.rows(named=True):
    print(row["rule"])
    print("inside {inside:.1%}, elsewhere {elsewhere:.1%}".format(**row), end="; ")
    points = [f"{100 * row[name]:.1f}" for name in ("damage", "low", "high")]
    print("{} points more ({} to {})".format(*points))
