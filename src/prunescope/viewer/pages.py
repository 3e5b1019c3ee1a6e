"""The pages that a person sees."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from prunescope.verdict.glossary import label_of, legend
from prunescope.viewer import maps, shown
from prunescope.viewer.colours import check_colour
from prunescope.viewer.figures import across, crossed, differences, flip_counts, group_rows
from prunescope.viewer.paths import depth_of
from prunescope.viewer.render import render
from prunescope.viewer.similar import similar
from prunescope.viewer.site import Site, TheSite, TheView
from prunescope.viewer.view import View

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def _page(
    site: Site,
    template: str,
    here: str,
    view: View,
    *,
    home: str = "./",
    **values: Any,  # noqa: ANN401 - whatever the template shows
) -> str:
    """Render a page with what all of them show; `home` leads from it to the viewer's address."""
    dense, compressed = site.selector.pair(view)
    noun = site.collection.report.noun
    return render(
        template,
        GLOSSARY=legend(noun),
        label_of=partial(label_of, noun=noun),
        here=here,
        home=home,
        view=view,
        dense=dense,
        compressed=compressed,
        report=site.collection.report,
        collection=site.collection,
        token=site.token,
        reviewer=site.reviewer,
        layers=site.layers is not None,
        View=View,
        **values,
    )


@router.get("/")
def overview(site: TheSite, view: TheView) -> str:
    """Show what the audit found, and lead to where it is seen."""
    dense, compressed = site.selector.pair(view)
    site.decisions.refresh()
    return _page(
        site,
        "overview.html",
        "overview",
        view,
        counts=flip_counts(site.collection, dense, compressed),
        reviewers=site.decisions.counts,
        n_decided=len(site.decisions.decided),
    )


@router.get("/attribute")
def attribute(site: TheSite, view: TheView) -> Response:
    """Show one attribute: every figure of it, by model and by group, and its answers counted."""
    if view.attribute is None:
        return RedirectResponse("./", status_code=303)
    site.selector.check(view)
    dense, compressed = site.selector.pair(view)
    column = site.collection.column(view.attribute)
    return HTMLResponse(
        _page(
            site,
            "attribute.html",
            "overview",
            view,
            figures=across(site.collection, attribute=view.attribute),
            by_group=group_rows(site.collection, view.attribute, compressed.name),
            crossed=crossed(site.collection, dense, compressed, column),
        )
    )


@router.get("/group")
def group(site: TheSite, view: TheView, name: Annotated[str, Query(max_length=1000)]) -> str:
    """Show one group: every figure of its values, by model."""
    _, compressed = site.selector.pair(view)
    return _page(
        site,
        "group.html",
        "overview",
        view,
        group=name,
        figures=across(site.collection, group=name),
        leanings=group_rows(site.collection, None, compressed.name, name),
    )


@router.get("/samples")
def samples(site: TheSite, view: TheView) -> str:
    """Show a grid of samples."""
    chosen = site.selector.samples(view.unpaged)
    pages = max(1, -(-len(chosen) // view.size))
    view = view.model_copy(update={"page": min(view.page, pages)})
    pair = site.selector.pair(view)
    return _page(
        site,
        "samples.html",
        "samples",
        view,
        selected=maps.selected(site.selector, view),
        total=len(chosen),
        pages=pages,
        cards=shown.cards(site.collection, pair, chosen.part(view.page, view.size)),
    )


@router.get("/sample")
def sample(site: TheSite, view: TheView, of: Annotated[str, Query(max_length=1000)]) -> str:
    """Show one sample; `of` is its id, the view is where one came from."""
    pair = site.selector.pair(view)
    row = site.collection.row(of)
    site.decisions.refresh()
    chosen = site.selector.samples(view.unpaged).rows
    [found] = (chosen == row).nonzero()
    ids = site.collection.samples.ids
    at = int(found[0]) if len(found) else None
    beside = {
        "before": ids[int(chosen[at - 1])] if at else None,
        "after": ids[int(chosen[at + 1])] if at is not None and at + 1 < len(chosen) else None,
        "position": None if at is None else f"{at + 1:,} of {len(chosen):,}",
    }
    told = shown.sample(site.collection, pair, row)
    near = similar(site.selector, view, row)
    return _page(
        site,
        "sample.html",
        "samples",
        view,
        sample=told,
        beside=beside,
        lacking=site.explainer.lacks(*(one.name for one in site.selector.pair(view))),
        similar=shown.cards(site.collection, pair, near),
        source=site.selector.layouts.source,
        on_map=maps.link(site.selector, view, row),
        decided={
            question.answer.attribute: site.decisions.of((of, question.answer.attribute))
            for question in told.questions
        },
    )


@router.get("/map")
def map_of_images(
    site: TheSite, view: TheView, layout: maps.LayoutName = None, colour: maps.Colour = "flip"
) -> str:
    """Show every image as a point."""
    selector = site.selector
    colours = check_colour(selector, colour)
    selector.layouts.begin()
    name = layout or (view.area or "").partition(".")[0] or selector.layouts.best
    selector.layouts.get(name)
    apart = {"model": None, "against": None, "attribute": None, "page": 1}
    return _page(
        site,
        "map.html",
        "map",
        view,
        layout=name,
        layouts=selector.layouts,
        waits=layout is None and view.area is None and selector.layouts.waits,
        colour=colour,
        colours=colours,
        carried=parse_qsl(view.query(**apart)),
        tiles=maps.tiles(selector, view, name),
        per_side=maps.TILES,
        selected=maps.selected(selector, view),
    )


@router.get("/compare")
def compare(site: TheSite, view: TheView) -> str:
    """Show two models side by side."""
    dense, compressed = site.selector.pair(view)
    return _page(
        site,
        "compare.html",
        "compare",
        view,
        figures=across(site.collection, models=(dense.name, compressed.name)),
        differences=differences(site.collection, dense, compressed),
    )


@router.get("/review")
def review(site: TheSite, view: TheView) -> str:
    """Show the review queue of a view."""
    site.decisions.refresh()
    decided, total = site.queue.progress(view)
    return _page(
        site,
        "review.html",
        "review",
        view,
        decided=decided,
        total=total,
    )


@router.get("/report")
def report(site: TheSite) -> HTMLResponse:
    """Show the audit's report."""
    return whole(site.report)


@router.get("/layers")
def layers(site: TheSite) -> HTMLResponse:
    """Show how sensitive the layers are."""
    if site.layers is None:
        raise HTTPException(404, "the folder holds no sensitivity of layers")
    return whole(site.layers)


def whole(html: str) -> HTMLResponse:
    """Show a page that brings its own style, script and security policy."""
    return HTMLResponse(html, headers={"Content-Security-Policy": "frame-ancestors 'none'"})


def wrong(request: Request, status: int, text: str) -> HTMLResponse:
    """Show what went wrong."""
    site: Site = request.app.state.site
    home = "../" * depth_of(request.scope) or "./"
    page = _page(site, "wrong.html", "", View(), home=home, status=status, text=text)
    return HTMLResponse(page, status_code=status)
