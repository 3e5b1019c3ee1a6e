# %% [markdown]
# # A study: several methods and seeds from one file
#
# One trained network says little about a method: another seed might have turned out otherwise. A
# study trains, prunes, asks and audits all combinations that a file names, once each; stopped, it
# goes on where it was. This one is as small as can be, and its figures mean nothing.

# %%
from pathlib import Path

from prunescope.study import StudyResults, run_study

CONFIG = """
name: small
data: {source: synthetic, size: 16, n_train: 100, n_val: 1, n_test: 200, groups: [Male],
       attributes: [Smiling, Bald, Male]}
splits: [test]
base:
  architectures: [resnet_small]
  methods: [one-shot, gmp-pt]
  sparsities: [0.9]
  seeds: [0, 1]
  recipe: {like: demo, steps: 10, batch_size: 16}
  recipe_pt: {like: demo-pt, steps: 20, batch_size: 8}
vary:
  - {}
audit: {replicates: 100}
"""
Path("study.yaml").write_text(CONFIG)

# %% [markdown]
# Two dense networks are trained, one for each seed, and each is pruned in two ways: six runs.
# `prunescope study run study.yaml -o study` does the same.

# %%
done = run_study(Path("study.yaml"), Path("study"))
print(f"{len(done.statuses)} runs, all finished: {done.complete}")

# %% [markdown]
# `prunescope study report study` writes a page with all figures, and judges the paper's claims by
# them. In Python, each setting is an audit as any, with the mean over seeds beside the seeds.

# %%
[audit] = StudyResults.open(Path("study")).audits.values()
print(audit.overall.filter(metric="accuracy").select("model", "value", "low", "high"))
