"""A given value becomes a value of the declared type, or a problem with a pointer to it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiltyard.wire import Parameter, ProblemItem
from tiltyard.wire.archives import ParameterType
from tiltyard_orchestrator.domain.parameters import Bound, bind


def value_of(value, **declared):
    bound = bind([Parameter(name="x", **declared)], {"x": value})
    assert isinstance(bound, Bound), bound
    return bound.values["x"]


def problem_of(value, **declared):
    problems = bind([Parameter(name="x", **declared)], {"x": value})
    assert isinstance(problems, list)
    [problem] = problems
    assert problem.pointer == "/parameters/x"
    return problem


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("string", "a b", "a b"), ("string", "", ""), ("path", "data/x.csv", "data/x.csv"), ("uri", "s3://b/k", "s3://b/k"),
        ("float", 0.1, 0.1), ("float", "0.1", 0.1), ("float", "1e-1", 0.1), ("float", ".5", 0.5), ("float", " -2. ", -2.0),
        ("float", 3, 3), ("float", "3", 3), ("integer", 10, 10), ("integer", "-3", -3), ("integer", 3.0, 3), ("integer", 2**64 - 1, 2**64 - 1),
        ("boolean", True, True), ("boolean", "yes", True), ("boolean", "No", False), ("boolean", "1", True), ("boolean", "0", False),
        ("boolean", "TRUE", True), ("boolean", "false", False),
    ],
)  # fmt: skip
def test_json_of_the_declared_type_and_its_text_form_are_accepted(kind, given, value):
    got = value_of(given, type=kind)
    assert got == value
    assert type(got) is type(value)


def test_a_whole_number_given_to_a_float_stays_whole_for_scripts_that_read_an_integer():
    assert str(value_of("32", type="float")) == "32"


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("string", 5), ("string", True), ("string", None), ("string", ["a"]), ("string", {}),
        ("float", "abc"), ("float", True), ("float", "nan"), ("float", "inf"), ("float", "NaN"), ("float", "Infinity"), ("float", ""),
        ("float", "1e999"), ("float", "1_0"), ("float", [1]), ("float", None), ("float", 10**400), ("float", "0x10"),
        ("integer", 1.5), ("integer", True), ("integer", "1.0"), ("integer", "1.5"), ("integer", "٣"), ("integer", 2**64), ("integer", 1e300),
        ("integer", "9" * 5000), ("boolean", 1), ("boolean", "maybe"), ("boolean", ""), ("boolean", None), ("list", 5), ("list", "[1"), ("list", "[" * 9999),
    ],
)  # fmt: skip
def test_another_type_is_refused_and_told_what_would_be_right(kind, given):
    problem = problem_of(given, type=kind)
    assert problem.code == "mistyped_parameter"
    assert " is not " in problem.detail
    assert len(problem.detail) < 200


def test_a_choice_is_one_of_its_choices_in_json_or_as_text():
    choices = ["l1", "l2", 1, 0.5, True]
    for given_value, chosen in [("l1", "l1"), (1, 1), ("1", 1), ("0.50", 0.5), ("yes", True), (True, True)]:
        got = value_of(given_value, type="choice", choices=choices)
        assert (got, type(got)) == (chosen, type(chosen))
    assert '"l1", "l2", 1, 0.5, true' in problem_of("l3", type="choice", choices=choices).detail
    assert problem_of(True, type="choice", choices=[1, 2]).code == "mistyped_parameter"


def test_a_list_is_json_or_text_with_commas_and_its_items_are_checked():
    assert value_of([1, "2"], type="list", items="integer") == [1, 2]
    assert value_of("0.1, 0.2", type="list", items="float") == [0.1, 0.2]
    assert value_of('["a,b", "c"]', type="list") == ["a,b", "c"]
    assert value_of("", type="list") == []
    assert value_of("l1,l2", type="list", items="choice", choices=["l1", "l2"]) == ["l1", "l2"]
    assert "item 1: " in problem_of([1, 2.5], type="list", items="integer").detail


def test_defaults_fill_in_and_the_order_is_that_of_the_declaration():
    declared = [Parameter(name="b", type="float", default=1.0, required=False), Parameter(name="a")]
    assert bind(declared, {"a": "x"}) == Bound(values={"b": 1.0, "a": "x"})


def test_every_problem_is_told_at_once():
    declared = [
        Parameter(name="eps", type="float"),
        Parameter(name="norm"),
        Parameter(name="n", type="integer"),
    ]
    problems = bind(declared, {"esp": 1, "n": "many", "a/b~c": 1})
    assert [(p.pointer, p.code) for p in problems] == [
        ("/parameters/eps", "missing_parameter"),
        ("/parameters/norm", "missing_parameter"),
        ("/parameters/n", "mistyped_parameter"),
        ("/parameters/esp", "unknown_parameter"),
        ("/parameters/a~1b~0c", "unknown_parameter"),
    ]
    assert "did you mean 'eps'?" in problems[3].detail


def test_a_flood_of_unknown_names_is_answered_quickly():
    declared = [Parameter(name=f"parameter_{n}", default="", required=False) for n in range(1000)]
    found = bind(declared, {f"parametre_{n}": 1 for n in range(20_000)})
    assert len(found) == 1_001
    assert found[-1].detail == "nor does it declare 19000 other names"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    kind=st.sampled_from(ParameterType),
    items=st.sampled_from([None, "integer", "boolean", "choice"]),
    given_value=JSON,
)
@settings(max_examples=300, deadline=None)
def test_any_json_is_bound_or_is_a_problem(kind, items, given_value):
    bound = bind([Parameter(name="x", type=kind, items=items, choices=["a", 1, True])], {"x": given_value})
    assert isinstance(bound, Bound) or all(isinstance(each, ProblemItem) for each in bound)
