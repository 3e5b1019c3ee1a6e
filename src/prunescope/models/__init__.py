"""Models: from a name to a classifier, and to a folder and back.

Words, as used here:

network
    Any `torch.nn.Module` that answers images: transformers' or one's own.
classifier
    A network with its preprocessing. It maps images in [0, 1] to logits, and is what is trained,
    pruned, saved and exported.
architecture
    The shape of a network, by name: a key of `ARCHITECTURES`, alone or with the side it sees images
    at (``resnet18@64``), ``hf:NAME_OR_FOLDER``, or ``module:factory``.
image size, input size
    Side of the images that a classifier is given, and to which its network has them resized.
checkpoint
    A classifier as a folder.
features
    What the layer that gives a classifier's answers sees of an image.
folded
    Of a network: every weight is a plain parameter, none is computed from others.
width
    How many channels a layer gives and takes, and its groups.
provenance
    What a checkpoint says about itself: where the model comes from.
"""

from prunescope.errors import MissingExtraError
from prunescope.models.quiet import TORCHAO, hide_if_broken, only_errors

try:
    import torch  # noqa: F401

    hide_if_broken("torchvision")
    with only_errors(*TORCHAO):
        import transformers.quantizers  # noqa: F401 - what imports torchao
except ImportError as error:
    raise MissingExtraError("building, training or asking a model", "train") from error

from prunescope.models.build import (
    ARCHITECTURES,
    Architecture,
    architecture_of,
    build_model,
    fresh_copy,
    is_factory,
)
from prunescope.models.checkpoints import (
    Checkpoint,
    check_target,
    save_checkpoint,
)
from prunescope.models.classifier import Classifier, ModelSpec, logits_of
from prunescope.models.features import Features, penultimate
from prunescope.models.folding import TORCH_PRUNE, computed_weights, fold, plain, torch_masks
from prunescope.models.hub import pretrained_data
from prunescope.models.loading import load_checkpoint
from prunescope.models.preprocessing import Preprocessing, to_unit_range
from prunescope.models.provenance import Provenance, weights_digest
from prunescope.models.quantized import Quantized, check_float
from prunescope.models.widths import reshape_, shapes_of

__all__ = [
    "ARCHITECTURES",
    "TORCH_PRUNE",
    "Architecture",
    "Checkpoint",
    "Classifier",
    "Features",
    "ModelSpec",
    "Preprocessing",
    "Provenance",
    "Quantized",
    "architecture_of",
    "build_model",
    "check_float",
    "check_target",
    "computed_weights",
    "fold",
    "fresh_copy",
    "is_factory",
    "load_checkpoint",
    "logits_of",
    "penultimate",
    "plain",
    "pretrained_data",
    "reshape_",
    "save_checkpoint",
    "shapes_of",
    "to_unit_range",
    "torch_masks",
    "weights_digest",
]
