from hypothesis import given
from hypothesis import strategies as st

from tiltyard_orchestrator.domain.graph.references import Reference, reference, references, resolve, unescaped

names = st.text(st.characters(exclude_characters="$.", exclude_categories=("Cs",)), min_size=1)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(names)
def test_a_dollar_and_a_name_is_a_reference(name: str) -> None:
    assert reference(f"${name}") == Reference(name=name)


@given(names, st.text())
def test_what_follows_the_first_dot_is_the_output(name: str, output: str) -> None:
    assert reference(f"${name}.{output}") == Reference(name=name, output=output)


@given(st.text())
def test_two_dollars_are_one_and_no_reference(text: str) -> None:
    assert reference(f"$${text}") is None
    assert unescaped(f"$${text}") == f"${text}"


def test_a_dollar_alone_is_a_dollar() -> None:
    assert reference("$") is None
    assert resolve("$", lambda _: "looked up") == "$"
    assert resolve("$$", lambda _: "looked up") == "$"


@given(values)
def test_a_value_is_what_it_was_once_every_dollar_is_escaped(value: object) -> None:
    def never(found: Reference) -> object:
        raise AssertionError(found)

    assert resolve(escaped(value), never) == value


@given(values)
def test_every_reference_is_found_where_it_stands_and_replaced_there(value: object) -> None:
    seen: list[Reference] = []
    resolve(value, seen.append)
    assert [found for _, found in references(value)] == seen
    for path, found in references(value):
        assert str(found) == at(value, path)


def test_the_names_of_a_mapping_are_never_references() -> None:
    assert resolve({"$a": ["$a", {"b": "$a.c"}]}, str) == {"$a": ["$a", {"b": "$a.c"}]}
    assert [str(found) for _, found in references({"$a": {"$b": "$c"}})] == ["$c"]


def escaped(value):
    match value:
        case str() if value.startswith("$"):
            return f"${value}"
        case list():
            return [escaped(item) for item in value]
        case dict():
            return {key: escaped(item) for key, item in value.items()}
        case _:
            return value


def at(value, path):
    for part in path:
        value = value[part]
    return value
