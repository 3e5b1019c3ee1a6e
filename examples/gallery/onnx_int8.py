# %% [markdown]
# # The file that is shipped: int8 ONNX against float
#
# What runs on the phone is rarely the network that was trained: it was converted and rounded to
# int8. This audits that file itself, through ONNX Runtime. It needs the extra `export`.

# %%
import numpy as np
from onnxruntime import quantization

import prunescope as ps
from prunescope.runtimes import open_model
from prunescope.training import RECIPES

faces = ps.synthetic_faces(200, 1, 400, size=16, groups=["Male"])
train, test = faces.split("train"), faces.split("test")
model = ps.build_model("resnet_small", train.samples.attributes, image_size=16)
ps.train(model, faces, RECIPES["demo"].replace(steps=20, batch_size=32))
ps.export_onnx(model, "float.onnx")

# %% [markdown]
# ONNX Runtime's own quantiser looks at some images to learn the range of each layer. This is how
# any tool would do it; prunescope has no part in it.


# %%
class SomeImages(quantization.CalibrationDataReader):
    """Images of the training split, once."""

    def __init__(self):
        self.batches = iter([{"images": train.images(np.arange(64)) / np.float32(255)}])

    def get_next(self):
        """Return the next batch, None after the last."""
        return next(self.batches, None)


quantization.quantize_static("float.onnx", "int8.onnx", SomeImages())

# %% [markdown]
# Both files answer the same images. What the file does not tell is asked for, never guessed: its
# input is scaled to the range from 0 to 1. (400 images are too few for more than *Ship with care*.)

# %%
answers = {
    name: ps.predict(open_model(f"{name}.onnx", input_range=(0, 1)), test)
    for name in ("float", "int8")
}
differ = (answers["float"].decisions != answers["int8"].decisions).mean()
print(f"{differ:.2%} of the answers differ")
audit = ps.audit({"float": answers["float"]}, {"int8": answers["int8"]})
print(ps.verdict(audit).text)
