"""Exit codes of what goes wrong: bad input is 2, a fault of the program 3, and 1 a gate alone."""

import errno
import sys

import polars as pl
import pytest

from prunescope.audit import Audit
from prunescope.errors import DataError


@pytest.fixture
def ended(monkeypatch, capsys):
    """Return a function: what loading an audit raises → exit code of the gate, and what is said."""

    def run(error):
        from prunescope.cli import main

        def load(folder):
            raise error

        monkeypatch.setattr(Audit, "load", load)
        monkeypatch.setattr(sys, "argv", ["prunescope", "gate", "audit"])
        monkeypatch.setattr(sys, "stdout", sys.stdout)  # typer puts it aside where it is closed
        monkeypatch.setattr(sys, "stderr", sys.stderr)
        with pytest.raises(SystemExit) as raised:
            main()
        return raised.value.code, capsys.readouterr().err

    return run


class Panic(BaseException):
    """What libraries written in Rust raise is no Exception."""


@pytest.mark.parametrize(
    "error",
    [RuntimeError("odd"), AssertionError("odd"), Panic("odd"), MemoryError("odd"), KeyError("odd")],
)
def test_a_fault_exits_with_3_and_asks_for_a_report(ended, error):
    code, said = ended(error)
    assert code == 3
    assert "Traceback" in said
    assert "odd" in said
    assert said.endswith(
        "this is a fault of prunescope, not of your data: please report it with the lines above\n"
    )


def test_what_polars_panics_with_is_no_exception():
    assert not issubclass(pl.exceptions.PanicException, Exception)


@pytest.mark.parametrize("error", [EOFError(), OSError(errno.EPIPE, "closed")])
def test_what_the_parser_would_end_with_1_is_a_fault_too(ended, error):
    assert ended(error)[0] == 3


@pytest.mark.parametrize("error", [DataError("odd"), OSError("odd"), FileNotFoundError("odd")])
def test_bad_input_exits_with_2_and_no_traceback(ended, error):
    assert ended(error) == (2, "error: odd\n")


def test_ctrl_c_exits_with_130(ended):
    code, said = ended(KeyboardInterrupt())
    assert code == 130
    assert said.startswith("stopped; no file is half-written")


def test_bad_usage_exits_with_2(prunescope):
    assert prunescope("gate").code == 2
    assert prunescope("gat").code == 2
    assert prunescope("gate", "--no-such-option").code == 2
