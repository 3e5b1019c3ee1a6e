"""The command line: parse, call, exit code; no logic.

Exit codes: 0 fine, 1 a gate failed, 2 bad usage or data, 3 a fault of the program, 130 stopped by
Ctrl-C.
"""

from prunescope.cli.start import main

__all__ = ["main"]
