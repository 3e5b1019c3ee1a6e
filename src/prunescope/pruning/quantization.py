"""Quantisation to int8 after training, with the scales that a few batches of images suggest.

Weights are symmetric, one scale per output: so a weight of 0 stays 0. Inputs of layers are affine,
one scale and zero point per layer, for a range that a histogram of what it sees suggests.
Normalisation that follows a layer is folded into it. This is the usual recipe of int8 on CPUs.

torchao's PT2E path does it: export the model as a graph, mark what is to be quantised, observe,
convert. From the converted graph the integers and scales are read into a `Quantized`, which holds
them without the graph; so to load and ask such a model needs no torchao.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from prunescope.data.dataset import Dataset
from prunescope.errors import ConfigError, MissingExtraError
from prunescope.models import Classifier, Quantized, check_float, fold, to_unit_range
from prunescope.models.classifier import NETWORK_PREFIX
from prunescope.models.quantized import INPUT_MAX, WEIGHT_MAX, can_be_int8
from prunescope.models.quiet import TORCHAO, only_errors
from prunescope.pruning.layers import check_finite
from prunescope.training.batches import check_fit, feed

_aten = torch.ops.aten
LAYERS = (_aten.conv2d.default, _aten.conv2d.padding, _aten.linear.default)
NORMALISATION = (_aten.batch_norm.default,)

MARK = "quantization_annotation"
"""Under what PT2E notes at a node of a graph how to quantise its inputs."""


def quantize(
    model: Classifier,
    dataset: Dataset,
    *,
    n_batches: int = 8,
    batch_size: int = 32,
    seed: int = 0,
) -> Quantized:
    """Return a copy of a classifier with its convolutions and linear layers in int8.

    Parameters
    ----------
    model : Classifier
        Dense or pruned, in floats; stays as it is.
    dataset : Dataset
        The training split, from which the images to calibrate on are drawn.
    n_batches, batch_size : int
    seed : int
        Of the choice of images.

    Returns
    -------
    Quantized
        Maps images to logits as the model did. On the CPU, in evaluation mode. `what_stays_float`
        tells what of it is not in int8.

    Raises
    ------
    ConfigError
        There are fewer images than asked for, the model is in int8 already, it cannot be exported
        as a graph, or it has no layer to quantise.
    DataError
        The data set is labelled with other attributes than the model answers.
    TrainingError
        A weight is NaN or infinite.
    MissingExtraError
        torchao is not installed.

    References
    ----------
    Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", CVPR 2018; Krishnamoorthi, "Quantizing deep convolutional
    networks for efficient inference", 2018, section 3.
    """
    check_float(model, "to quantise")
    check_fit(model, dataset)
    check_finite(dict(model.named_parameters()))
    batches = calibration_batches(dataset, n_batches, batch_size, seed)
    model = cast(Classifier, fold(model)).cpu().eval().requires_grad_(False)
    converted, layers, folded = convert(model, batches)
    values = {_owner(node): _values(converted, node) for node in _calls(converted, LAYERS, layers)}
    quantized = Quantized(
        model.network, model.spec, layers=_in_network(layers), folded=_in_network(folded)
    ).eval()
    for name in layers:
        quantized.get_submodule(name).load_state_dict(values[name])
    return quantized


def calibration_batches(
    dataset: Dataset, n_batches: int, batch_size: int, seed: int
) -> list[Tensor]:
    """Draw batches of different images (B, 3, H, W) of floats in [0, 1].

    Raises
    ------
    ConfigError
        There are not as many, or a number is below 1.
    """
    if n_batches < 1 or batch_size < 1:
        raise ConfigError(
            f"calibration on {n_batches} batches of {batch_size}: expected at least 1 of 1"
        )
    n = n_batches * batch_size
    if n > len(dataset):
        raise ConfigError(
            f"calibration on {n_batches} batches of {batch_size} takes {n} images, and the "
            f"training split has {len(dataset)}: ask for fewer or smaller batches"
        )
    order = np.random.default_rng(seed).permutation(len(dataset))[:n]
    fed = feed(dataset, np.split(order, n_batches), torch.device("cpu"))
    return [to_unit_range(pixels) for _, pixels, _ in fed]


def convert(
    model: Classifier, batches: Sequence[Tensor]
) -> tuple[GraphModule, list[str], list[str]]:
    """Quantise a model with PT2E.

    Returns
    -------
    GraphModule
        torchao's, for batches of the size given.
    list of str
        Names of the layers in int8.
    list of str
        Names of the normalisation that is folded into them.

    Raises
    ------
    ConfigError, MissingExtraError
        As `quantize`.
    """
    with only_errors(*TORCHAO):
        try:
            from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
        except ImportError as error:
            raise MissingExtraError("quantising a model", "quantize") from error
        graph = _export(model, batches[0])
        layers = _plain_layers(model, graph)
        if not layers:
            raise ConfigError(
                f"{model.spec.arch} has no layer to quantise: expected a torch.nn.Conv2d or "
                "torch.nn.Linear"
            )
        folded = _fold_some(graph, layers)
        prepared = prepare_pt2e(graph, _quantizer(layers))
        with torch.no_grad():
            for images in batches:
                prepared(images)
        # convert_pt2e hands stack traces on to new nodes, next to nodes that bear a mark. For that
        # it looks up an overload that torch 2.13 no longer has (aten.transpose.Dimname), and
        # fails. The marks have done their work by now; without them it finds none to hand on.
        for node in prepared.graph.nodes:
            node.meta.pop(MARK, None)
        return convert_pt2e(prepared), layers, folded


def _export(model: Classifier, images: Tensor) -> GraphModule:
    try:
        graph = torch.export.export(model, (images,)).module()
    except Exception as error:
        raise ConfigError(
            f"cannot export {model.spec.arch} as a graph, as quantising needs: "
            f"{type(error).__name__}: {error}"
        ) from error
    assert isinstance(graph, GraphModule)
    return graph


def _plain_layers(model: nn.Module, graph: GraphModule) -> list[str]:
    """Name the layers to quantise: of a plain kind, used once, with weights of their own."""
    nodes = _calls(graph, LAYERS)
    uses = Counter(_owner(node) for node in nodes)
    return [
        name
        for node in nodes
        if uses[name := _owner(node)] == 1
        and can_be_int8(model.get_submodule(name))
        and _input(node, 1).target == f"{name}.weight"
        and len(_input(node, 1).users) == 1
    ]


def _fold_some(graph: GraphModule, layers: Sequence[str]) -> list[str]:
    """Name the normalisation to fold into the layer before, and hide all other from PT2E.

    PT2E would fold into any convolution, even one whose output goes elsewhere too, where that is
    wrong. And where any normalisation is left in the end, it spends half a minute on looking for
    patterns of quantisation-aware training.
    """
    nodes = _calls(graph, NORMALISATION)
    uses = Counter(_owner(node) for node in nodes)
    folded = []
    for node in nodes:
        before, name = _input(node, 0), _owner(node)
        alone = len(before.users) == 1 and uses[name] == 1
        if before.target in LAYERS and _owner(before) in layers and alone and node.args[3]:
            folded.append(name)
        else:
            node.target = _normalise
    graph.recompile()
    return folded


def _normalise(*args: Any) -> Tensor:  # noqa: ANN401 - torch's arguments
    """Do what the operation of this name in torch does, under a name that PT2E does not know."""
    result: Tensor = _aten.batch_norm.default(*args)
    return result


def _quantizer(layers: Sequence[str]) -> Any:  # noqa: ANN401 - of a class of torchao
    """Make what tells PT2E how to quantise the inputs and weights of some layers."""
    from torchao.quantization.pt2e.observer import HistogramObserver, PerChannelMinMaxObserver
    from torchao.quantization.pt2e.quantizer import (
        QuantizationAnnotation,
        QuantizationSpec,
        Quantizer,
    )

    inputs = QuantizationSpec(
        dtype=torch.uint8,
        observer_or_fake_quant_ctr=HistogramObserver.with_args(),
        quant_min=0,
        quant_max=INPUT_MAX,
        qscheme=torch.per_tensor_affine,
    )
    weights = QuantizationSpec(
        dtype=torch.int8,
        observer_or_fake_quant_ctr=PerChannelMinMaxObserver.with_args(),
        quant_min=-WEIGHT_MAX,
        quant_max=WEIGHT_MAX,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
    )

    class Layers(Quantizer):  # type: ignore[misc]
        def annotate(self, graph: GraphModule) -> GraphModule:
            for node in _calls(graph, LAYERS, layers):
                node.meta[MARK] = QuantizationAnnotation(
                    {_input(node, 0): inputs, _input(node, 1): weights}, _annotated=True
                )
            return graph

        def validate(self, graph: GraphModule) -> None:
            pass

    return Layers()


def _values(graph: GraphModule, node: Node) -> dict[str, Tensor]:
    """Read what an `Int8Layer` stores from a layer's node in a converted graph."""
    seen, weight = _input(node, 0), _input(node, 1)
    integers = _constant(graph, _input(weight, 0))
    has_bias = len(node.args) > 2 and node.args[2] is not None
    return {
        "weight_int8": integers,
        "weight_scale": _constant(graph, _input(weight, 1)),
        "bias": _constant(graph, _input(node, 2)) if has_bias else torch.zeros(len(integers)),
        "input_scale": torch.tensor(seen.args[1]),
        "input_zero_point": torch.tensor(seen.args[2], dtype=torch.int32),
    }


def _calls(
    graph: GraphModule, operations: Sequence[Any], owners: Sequence[str] | None = None
) -> list[Node]:
    """List the nodes of some operations, of all modules or of those named."""
    return [
        node
        for node in graph.graph.nodes
        if node.target in operations and (owners is None or _owner(node) in owners)
    ]


def _owner(node: Node) -> str:
    """Name the innermost module that a node of an exported graph comes from."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]) if stack else ""


def _input(node: Node, index: int) -> Node:
    argument = node.args[index]
    assert isinstance(argument, Node)
    return argument


def _constant(graph: GraphModule, node: Node) -> Tensor:
    """Return the tensor that a node stands for."""
    path, _, name = str(node.target).rpartition(".")
    tensor = getattr(graph.get_submodule(path), name)
    assert isinstance(tensor, Tensor)
    return tensor.detach()


def _in_network(names: Sequence[str]) -> list[str]:
    """Turn names within a classifier into names within its network; "" is the network itself."""
    return [f"{name}.".removeprefix(NETWORK_PREFIX).removesuffix(".") for name in names]
