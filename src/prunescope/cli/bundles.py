"""Options that come together: a dataclass of them is one parameter of a command."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from inspect import Parameter
from typing import Annotated, Any, get_args, get_origin, get_type_hints


class Without:
    """Says which fields of a bundle are no options of a command: they keep their defaults."""

    def __init__(self, *names: str) -> None:
        self.names = names


def unbundled(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose bundles are laid out: each field is an option, as if written there.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Size:
    ...     width: int = 1
    ...     height: int = 2
    >>> def draw(*, size: Annotated[Size, Without("height")], name: str = "it") -> None:
    ...     print(name, size)
    >>> flat = unbundled(draw)
    >>> str(inspect.signature(flat))
    "(*, width: int = 1, name: str = 'it') -> None"
    >>> flat(width=5, name="that")
    that Size(width=5, height=2)
    """
    signature = inspect.signature(command, eval_str=True)
    bundles: dict[str, tuple[type, list[str]]] = {}
    laid_out = []
    for parameter in signature.parameters.values():
        bundle, without = _bundle(parameter.annotation)
        if bundle is None:
            laid_out.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))
        else:
            options = [one for one in _options(bundle) if one.name not in without]
            bundles[parameter.name] = bundle, [one.name for one in options]
            laid_out += options

    @functools.wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401 - whatever the options take
        for name, (bundle, options) in bundles.items():
            given[name] = bundle(**{option: given.pop(option) for option in options})
        command(**given)

    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    run.__doc__ = "\n\n".join(" ".join(text.split()) for text in paragraphs)  # help wraps it anew
    run.__annotations__ = {}  # what the signature says
    vars(run)["__signature__"] = signature.replace(parameters=laid_out)
    return run


def _bundle(annotation: Any) -> tuple[type | None, tuple[str, ...]]:  # noqa: ANN401 - any type
    """Return the dataclass that a parameter takes, and which of its fields it does without."""
    kind, *more = get_args(annotation) if get_origin(annotation) is Annotated else [annotation]
    if not (isinstance(kind, type) and is_dataclass(kind)):
        return None, ()
    return kind, tuple(name for one in more if isinstance(one, Without) for name in one.names)


def _options(bundle: type) -> Iterator[Parameter]:
    """Yield the fields of a dataclass as parameters."""
    hints = get_type_hints(bundle, include_extras=True)
    for field in fields(bundle):
        default = Parameter.empty if field.default is MISSING else field.default
        yield Parameter(
            field.name, Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name]
        )
