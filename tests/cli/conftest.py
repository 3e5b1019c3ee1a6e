"""Running the command line as a person does."""

import json
import sys
from dataclasses import dataclass

import pytest
import typer.main

_build = typer.main.get_command
_built = {}


@pytest.fixture(autouse=True)
def _built_once(monkeypatch):
    """Build the command line once for all commands of this process: that takes 0.2 seconds."""

    def command(app):
        key = app, app.rich_markup_mode
        if key not in _built:
            _built[key] = _build(app)
        return _built[key]

    monkeypatch.setattr(typer.main, "get_command", command)


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def prunescope(monkeypatch, capsys):
    """Return a function that runs one command in this process: fast, and all the same code."""

    def run(*arguments):
        from prunescope.cli import main

        monkeypatch.setattr(sys, "argv", ["prunescope", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err, captured.err
        return Ran(ended.value.code or 0, captured.out, captured.err)

    return run
