# %% [markdown]
# # A Hugging Face model, compressed
#
# Any image classifier of transformers can be pruned and audited: `hf:` and its name on the hub, or
# a folder. Here it is a tiny ViT that is made on the spot, so its answers are poor; what counts is
# the way. It needs the extra `train`.

# %%
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

import prunescope as ps
from prunescope.training import RECIPES

config = ViTConfig(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    image_size=24,
    patch_size=8,
    id2label={0: "Smiling", 1: "Male", 2: "Young"},
    problem_type="multi_label_classification",
)
ViTForImageClassification(config).save_pretrained("vit")
ViTImageProcessorPil(size={"height": 24, "width": 24}).save_pretrained("vit")

# %% [markdown]
# `build_model` reads the folder and puts the model's answers into the order that is asked for.
# Nothing is unpickled, and no code that comes with a model is run.

# %%
names = ("Male", "Smiling", "Young")
faces = ps.load_dataset(
    ps.DataConfig(
        source="synthetic", n_train=400, n_val=1, n_test=500, size=24, attributes=names,
        groups=("Male",), cache="cache",
    )
)  # fmt: skip
model = ps.build_model("hf:vit", names, image_size=24)
ps.train(model, faces, RECIPES["demo"].replace(steps=40, batch_size=32, learning_rate=0.1))

# %% [markdown]
# Nine in ten weights are removed at once, and those that stay are fitted so that each layer still
# gives what it gave. No labels are needed, and no training.

# %%
pruned = ps.prune(model, faces, "reconstruct", 0.9)
print(f"{pruned.masks.sparsity:.1%} of the weights are gone")

# %%
test = faces.split("test")
dense, sparse = ps.predict(model, test), ps.predict(pruned.model, test)
audit = ps.audit({"dense": dense}, {"pruned": sparse})
print(audit.overall.filter(metric="auc").select("model", "value", "low", "high"))
print(ps.verdict(audit).text)
