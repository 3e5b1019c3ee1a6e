"""`Site`: what every page and every answer of the API is made from."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, cast

from fastapi import Depends, Query, Request

from prunescope.report import to_html
from prunescope.viewer.collection import Collection
from prunescope.viewer.decisions import Decisions
from prunescope.viewer.explainer import Explainer
from prunescope.viewer.queue import Queue
from prunescope.viewer.select import Selector
from prunescope.viewer.view import View


class Site:
    """A collection, its decisions, and what finds things in them.

    Parameters
    ----------
    collection : Collection
    decisions : Decisions
    token : str
        For the viewer's own pages to write with.
    reviewer : str
        The name that is offered to who decides.
    explainer : Explainer
    layers : str, optional
        The page of how sensitive the layers are.
    """

    def __init__(
        self,
        collection: Collection,
        decisions: Decisions,
        token: str,
        reviewer: str,
        explainer: Explainer,
        layers: str | None = None,
    ) -> None:
        self.layers = layers
        self.collection, self.decisions, self.explainer = collection, decisions, explainer
        self.token, self.reviewer = token, reviewer
        self.selector = Selector(collection)
        self.queue = Queue(self.selector, decisions)

    @cached_property
    def report(self) -> str:
        """The audit's report as a page."""
        return to_html(self.collection.report)


def site_of(request: Request) -> Site:
    """Return what a request is answered from."""
    return cast(Site, request.app.state.site)


TheSite = Annotated[Site, Depends(site_of)]
TheView = Annotated[View, Query()]
