"""A network as a list of steps, which can be taken up in the middle.

torch.export follows one call and writes down every operation, those of normalisation among them,
with the weights that it uses. A step that comes before the first use of a weight gives the same
values whatever that weight is: so they are computed once, kept while a later step needs them, and
all changes of that weight go on from there.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from prunescope.models import logits_of
from prunescope.training.batch_norm import running_norms

_BATCH_NORM = torch.ops.aten.batch_norm.default

Env = dict[fx.Node, Any]
"""What is known in the midst of a call: node → value."""


class UntraceableError(Exception):
    """The network cannot be written down as steps; its message says why."""


@dataclass
class Norm:
    """Running statistics of one layer of batch normalisation, over the batches `seen` so far."""

    mean: Tensor
    var: Tensor
    seen: int = 0

    def fresh(self) -> Norm:
        """Return statistics of no batch, as `reset_running_stats` leaves them."""
        return Norm(torch.zeros_like(self.mean), torch.ones_like(self.var))


Norms = dict[str, Norm]
"""Name in the graph → statistics."""


class _Logits(nn.Module):
    """A network that gives its logits and nothing else."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return logits_of(self.network(images))


class Steps:
    """The steps of a network in evaluation mode, in the order in which they are made.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode; every weight a plain parameter.
    images : tensor (B, 3, H, W)
        An input of it, of at least two images; other batches may be of any size.

    Raises
    ------
    UntraceableError
        torch.export cannot follow the network, or what it writes down does not answer alike.
    """

    def __init__(self, model: nn.Module, images: Tensor) -> None:
        self._module = _exported(model, images[:2])
        self._constants: Env = {}
        self.steps: list[fx.Node] = []
        for node in self._module.graph.nodes:
            if node.op == "get_attr":
                self._constants[node] = _attribute(self._module, str(node.target))
            elif node.op == "placeholder":
                self._input = node
            elif node.op == "output":
                [self._output] = node.all_input_nodes
            elif node.op != "call_module":  # a check of the sizes that images have
                self.steps.append(node)
        self._place = {node: i for i, node in enumerate(self.steps)}
        self._done = self._last_uses()
        changes = [i for i, node in enumerate(self.steps) if _changes_in_place(node)]
        self._last_change = max(changes, default=-1)
        places = {_place(p): name for name, p in model.named_parameters()}
        self._weights: dict[str, list[fx.Node]] = {name: [] for name in places.values()}
        for node, value in self._constants.items():
            if isinstance(value, Tensor) and _place(value) in places:
                self._weights[places[_place(value)]].append(node)
        self.norms = self._running(model)
        self._seeing = self._downstream([self._input])
        self._check(model, images)

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def last_norm(self) -> int:
        """Number of steps up to the last batch normalisation that keeps statistics."""
        return 1 + max((self._place[node] for node in self._norm_steps()), default=-1)

    def first_use(self, weights: Iterable[str]) -> int | None:
        """Return the first step that uses any of some weights; None where none does."""
        nodes = [node for name in weights for node in self._weights.get(name, [])]
        places = [self._place[user] for node in nodes for user in node.users if user in self._place]
        return min(places, default=None)

    def meetings(self, weights: Iterable[str]) -> list[int]:
        """Return the steps in which some weights meet what is computed from images."""
        nodes = [node for name in weights for node in self._weights.get(name, [])]
        apart = self._downstream(nodes) - self._seeing | set(nodes)
        return [
            i
            for i, node in enumerate(self.steps)
            if node in self._seeing and apart.intersection(node.all_input_nodes)
        ]

    def start(self, images: Tensor) -> Env:
        """Return what is known before the first step."""
        return {self._input: images}

    def branch(self, env: Env, at: int, weights: Mapping[str, Tensor]) -> Env:
        """Return what is known before step `at`, with other weights from there on."""
        # Steps that write into a tensor would change what the other branches go on from.
        values = list(env.values())
        if at <= self._last_change:
            values = copy.deepcopy(values)  # what lies in one piece of memory does so again
        found = dict(zip(env, values, strict=True))
        for name, weight in weights.items():
            found |= dict.fromkeys(self._weights[name], weight)
        return found

    def run(
        self,
        env: Env,
        begin: int,
        end: int,
        norms: Norms | None = None,
        *,
        estimate: bool = False,
        keep: Collection[int] = (),
    ) -> list[Tensor]:
        """Take the steps from `begin` up to `end`; `env` then holds what later ones need.

        Parameters
        ----------
        env : dict
        begin, end : int
        norms : dict, optional
            Running statistics that take the place of the network's own.
        estimate : bool
            Normalise by each batch, and take it into these statistics, as training does.
        keep : collection of int
            Steps whose values are returned.
        """
        kept = []
        for i in range(begin, end):
            node = self.steps[i]
            value = self._value(node, env, norms, estimate)
            env[node] = value
            if i in keep:
                kept.append(value if isinstance(value, Tensor) else value[0])
            for done in self._done[i]:
                env.pop(done, None)
        return kept

    def logits(self, env: Env) -> Tensor:
        """Return the answers, once all steps are taken."""
        found: Tensor = env[self._output]
        return found

    def _value(self, node: fx.Node, env: Env, norms: Norms | None, estimate: bool) -> Any:  # noqa: ANN401
        def look(one: fx.Node) -> Any:  # noqa: ANN401
            return env[one] if one in env else self._constants[one]

        args = fx.map_arg(node.args, look)
        kwargs = fx.map_arg(node.kwargs, look)
        if norms is not None and node.target is _BATCH_NORM and node.args[3] is not None:
            norm = norms[str(node.args[3].target)]  # type: ignore[union-attr]
            images, scale, shift, *_, eps, by_cudnn = args
            if not estimate:
                return _BATCH_NORM(
                    images, scale, shift, norm.mean, norm.var, False, 0.0, eps, by_cudnn
                )
            norm.seen += 1
            return _BATCH_NORM(
                images, scale, shift, norm.mean, norm.var, True, 1.0 / norm.seen, eps, by_cudnn
            )
        assert callable(node.target)
        return node.target(*args, **kwargs)

    def _last_uses(self) -> list[list[fx.Node]]:
        """Return of each step the values that no later one needs."""
        found: list[list[fx.Node]] = [[] for _ in self.steps]
        for node in (self._input, *self.steps):
            if node is self._output:
                continue
            uses = [self._place[user] for user in node.users if user in self._place]
            last = max(uses, default=self._place.get(node, 0))
            found[last].append(node)
        return found

    def _downstream(self, nodes: Iterable[fx.Node]) -> set[fx.Node]:
        found = set(nodes)
        for node in self.steps:
            if found.intersection(node.all_input_nodes):
                found.add(node)
        return found

    def _norm_steps(self) -> list[fx.Node]:
        return [
            node for node in self.steps if node.target is _BATCH_NORM and node.args[3] is not None
        ]

    def _running(self, model: nn.Module) -> Norms:
        """Return the statistics of each batch normalisation that keeps some."""
        own = {
            _place(layer.running_mean)
            for layer in running_norms(model)
            if layer.running_mean is not None
        }
        found: Norms = {}
        for node in self._norm_steps():
            mean, var = node.args[3], node.args[4]
            assert isinstance(mean, fx.Node)
            assert isinstance(var, fx.Node)
            if str(mean.target) in found:  # its statistics are of calls before a layer and after it
                raise UntraceableError("one batch normalisation of it is called more than once")
            found[str(mean.target)] = Norm(self._constants[mean], self._constants[var])
        seen = {_place(norm.mean) for norm in found.values()}
        used = {
            _place(value)
            for node, value in self._constants.items()
            if isinstance(value, Tensor) and any(user in self._place for user in node.users)
        }
        if seen - own or (own & used) - seen:
            raise UntraceableError("its batch normalisation is no operation of its own")
        return found

    @torch.no_grad()
    def _check(self, model: nn.Module, images: Tensor) -> None:
        """Raise unless the steps answer as the network does, for batches of other sizes."""
        for n in {len(images), max(len(images) - 1, 1)}:
            env = self.start(images[:n].clone())
            expected = logits_of(model(images[:n]))
            try:
                self.run(env, 0, len(self))
                found = self.logits(env)
            except Exception as error:  # whatever an operation raises on another size
                reason = f"its steps fail on {n} images: {type(error).__name__}: {error}"
                raise UntraceableError(reason) from error
            if found.shape != expected.shape or not torch.allclose(found, expected, atol=1e-4):
                raise UntraceableError(f"its steps answer otherwise than it does on {n} images")


def _exported(model: nn.Module, images: Tensor) -> fx.GraphModule:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sizes = ({0: torch.export.Dim.AUTO},)
            program = torch.export.export(_Logits(model), (images,), dynamic_shapes=sizes)
            made = program.module(check_guards=False)
    except Exception as error:  # whatever a network's own code raises on stand-ins of tensors
        first = str(error).strip().splitlines()[:1]
        text = f"torch.export cannot follow it: {type(error).__name__}: {''.join(first)}"
        raise UntraceableError(text) from error
    assert isinstance(made, fx.GraphModule)
    return made


def _attribute(module: nn.Module, path: str) -> Any:  # noqa: ANN401
    owner, _, name = path.rpartition(".")
    value = getattr(module.get_submodule(owner), name)
    return value.detach() if isinstance(value, Tensor) else value


def _place(tensor: Tensor) -> tuple[int, tuple[int, ...]]:
    """Return where a tensor lies in memory, and its shape."""
    return tensor.data_ptr(), tuple(tensor.shape)


def _changes_in_place(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return bool(schema is not None and schema.is_mutable) and node.target is not _BATCH_NORM
