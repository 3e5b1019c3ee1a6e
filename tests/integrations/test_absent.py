"""Without its library, an integration says what to install."""

import subprocess
import sys

import pytest

from prunescope.extras import install_command

WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from prunescope.errors import MissingExtraError
try:
    __import__("prunescope.integrations." + sys.argv[2])
except MissingExtraError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("library", "module", "extra"),
    [
        ("torch", "transformers", "train"),
        ("transformers", "transformers", "train"),
        ("lightning", "lightning", "lightning"),
        ("mlflow", "mlflow", "mlflow"),
    ],
)
def test_it_says_what_to_install(library, module, extra):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, library, module],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert install_command(extra) in done.stdout
