"""A world with a planted damage."""

import pytest


@pytest.fixture(scope="package")
def planted(world):
    """Return a world in which people with hats are hurt."""
    return world()
