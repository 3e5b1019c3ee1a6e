import pytest

from prunescope import errors
from prunescope.errors import MissingExtraError, PrunescopeError, first_line, one_of, shorten
from prunescope.extras import install_command


def test_one_root_catches_every_error():
    kinds = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    assert len(kinds) == 8
    assert all(issubclass(kind, PrunescopeError) for kind in kinds)
    assert issubclass(errors.ImageError, errors.DataError)
    assert issubclass(errors.PrunescopeWarning, UserWarning)


def test_the_tree_in_the_docstring_is_complete():
    helpers = {name for name in errors.__all__ if name.islower()}
    assert all(name in errors.__doc__ for name in errors.__all__ if name not in helpers)


def test_missing_extra_says_what_to_install():
    error = MissingExtraError("training a model", "train")
    assert str(error) == (
        f"training a model needs an optional dependency: {install_command('train')}"
    )


@pytest.mark.parametrize(
    ("names", "limit", "text"),
    [
        ([], 2, ""),
        (["a"], 2, "a"),
        (["a", "b"], 2, "a, b"),
        (["a", "b", "c"], 2, "a, b and 1 more"),
        ((x for x in (1, None, "c", "d")), 1, "1 and 3 more"),
    ],
)
def test_shorten_shows_the_first_and_counts_the_rest(names, limit, text):
    assert shorten(names, limit) == text


def test_one_of_names_the_nearest_first_and_then_all():
    assert one_of("group", "Mael", ["Young", "Male"]) == (
        "unknown group 'Mael': did you mean Male? choose one of Young, Male"
    )
    assert one_of("group", "zzz", ["Young"]) == "unknown group 'zzz': choose one of Young"


def test_one_of_shortens_a_long_list():
    assert one_of("group", "x", [f"g{i}" for i in range(50)]).endswith("g39 and 10 more")


@pytest.mark.parametrize(
    ("error", "text", "with_kind"),
    [
        (ValueError("a\nb"), "a", "ValueError: a"),
        (ValueError("\n  a  \n"), "a", "ValueError: a"),
        (OSError(), "OSError", "OSError"),
        (OSError(" \n"), "OSError", "OSError"),
    ],
)
def test_the_first_line_of_an_error(error, text, with_kind):
    assert first_line(error) == text
    assert first_line(error, kind=True) == with_kind
