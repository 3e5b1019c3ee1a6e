"""`create_app`: the viewer as a FastAPI application."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from prunescope import __version__
from prunescope.errors import ConfigError, DataError
from prunescope.viewer import api, maps, pages
from prunescope.viewer.collection import Collection
from prunescope.viewer.decisions import Decisions
from prunescope.viewer.explainer import Explainer
from prunescope.viewer.guard import Guard
from prunescope.viewer.paths import is_api, root_path
from prunescope.viewer.site import Site

STATIC = {
    "report.css": ("report/templates", "text/css"),
    "report.js": ("report/templates", "text/javascript"),
    "legend.js": ("viewer/static", "text/javascript"),
    "map.css": ("viewer/static", "text/css"),
    "map.js": ("viewer/static", "text/javascript"),
    "points.js": ("viewer/static", "text/javascript"),
    "viewer.css": ("viewer/static", "text/css"),
    "viewer.js": ("viewer/static", "text/javascript"),
}
"""Files that pages load: where they lie, and their types."""


def create_app(
    collection: Collection,
    decisions: Decisions,
    *,
    token: str,
    loopback: bool = True,
    reviewer: str = "reviewer",
    root: str = "",
    proxies: Sequence[str] = (),
    explainer: Explainer | None = None,
    layers: str | None = None,
) -> FastAPI:
    """Make the application that shows a collection and takes decisions.

    Parameters
    ----------
    collection : Collection
    decisions : Decisions
    token : str
        What a write must carry; off loopback, a read too.
    loopback : bool
        Whether only this machine is served.
    reviewer : str
        The name that is offered to who decides.
    root : str
        The path that a proxy serves it under, whether or not the proxy takes it away.
    proxies : sequence of str
        Names that a proxy is reached by; a read takes the token then.
    explainer : Explainer, optional
        With the checkpoints of the models; default: without any.
    layers : str, optional
        The page of how sensitive the layers are.

    Returns
    -------
    FastAPI

    Raises
    ------
    ConfigError
        The path is none, or one of the viewer's own.
    """
    app = FastAPI(
        title="prunescope viewer",
        version=__version__,
        description="An audit, image by image, and a queue of answers to review.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        redirect_slashes=False,
    )
    explainer = explainer or Explainer(collection, {})
    app.state.site = Site(collection, decisions, token, reviewer, explainer, layers)
    app.include_router(api.router)
    app.include_router(maps.router)
    app.include_router(pages.router)
    app.add_exception_handler(ConfigError, _not_there)
    app.add_exception_handler(DataError, _broken)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(Guard, token=token, loopback=loopback, root=root_path(root), proxies=proxies)

    @app.get("/static/{name}", include_in_schema=False)
    def static(name: str) -> Response:
        if name not in STATIC:
            raise HTTPException(404, "no such file")
        folder, kind = STATIC[name]
        text = (files("prunescope") / folder / name).read_text("utf-8")
        return Response(text, media_type=kind, headers={"Cache-Control": "max-age=60"})

    return app


def page_app(
    html: str, *, token: str, loopback: bool = True, root: str = "", proxies: Sequence[str] = ()
) -> FastAPI:
    """Make an application that shows one self-contained page; parameters as of `create_app`."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/", lambda: pages.whole(html), response_class=HTMLResponse)
    app.add_middleware(Guard, token=token, loopback=loopback, root=root_path(root), proxies=proxies)
    return app


def _told(request: Request, status: int, told: Any) -> Response:  # noqa: ANN401 - any JSON
    """Say what went wrong: as JSON to a program, as a page to a person."""
    if is_api(request.scope):
        return JSONResponse({"detail": told}, status_code=status)
    text = told if isinstance(told, str) else "; ".join(one["msg"] for one in told)
    return pages.wrong(request, status, text)


async def _not_there(request: Request, error: Exception) -> Response:
    return _told(request, 404, str(error))


async def _broken(request: Request, error: Exception) -> Response:
    return _told(request, 503, str(error))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _told(request, error.status_code, error.detail)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    told = [
        {"loc": list(one["loc"]), "msg": f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}"}
        for one in error.errors()
    ]
    return _told(request, 422, told)
