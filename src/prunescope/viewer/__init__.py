"""A local web app over an audit: the very images, and a queue of answers to review."""

from prunescope.viewer.app import create_app, page_app
from prunescope.viewer.collection import Collection
from prunescope.viewer.decisions import Decision, Decisions
from prunescope.viewer.explainer import Explainer
from prunescope.viewer.paths import root_path
from prunescope.viewer.serve import bind, is_loopback, new_token, serve, url_of
from prunescope.viewer.view import View

__all__ = [
    "Collection",
    "Decision",
    "Decisions",
    "Explainer",
    "View",
    "bind",
    "create_app",
    "is_loopback",
    "new_token",
    "page_app",
    "root_path",
    "serve",
    "url_of",
]
