"""`main`: starts the command line, so that Ctrl-C is a line from the first moment on."""

from __future__ import annotations

import sys

STOPPED = 130
"""Exit code of a command that Ctrl-C ended."""

TOLD_WHEN_STOPPED = "stopped; no file is half-written; what was trained goes on by the same command"


def main() -> None:
    """Run the command line and exit."""
    try:
        from prunescope.cli.app import run

        run()
    except KeyboardInterrupt:
        print(TOLD_WHEN_STOPPED, file=sys.stderr)
        sys.exit(STOPPED)
