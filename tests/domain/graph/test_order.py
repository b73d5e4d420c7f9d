from hypothesis import given
from hypothesis import strategies as st

from tiltyard_orchestrator.domain.graph import Graph, Step, after, cycles, order

STEPS = [f"s{number}" for number in range(6)]
edges = st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(STEPS)), max_size=12)


def graph_of(pairs: list[tuple[str, str]]) -> Graph:
    needs = {name: [before for later, before in pairs if later == name] for name in STEPS}
    return Graph(
        steps={
            name: Step(name=name, task="t", args=[f"${one}" for one in some[::2]], dependencies=some[1::2])
            for name, some in needs.items()
        }
    )


@given(edges)
def test_each_step_comes_after_those_it_needs_unless_they_go_in_a_circle(
    pairs: list[tuple[str, str]],
) -> None:
    graph = graph_of(pairs)
    circles = cycles(graph)
    if circles:
        before = after(graph)
        for circle in circles:
            assert all(
                one in before[other] for one, other in zip(circle, [*circle[1:], circle[0]], strict=True)
            )
    else:
        found = order(graph)
        assert sorted(found) == STEPS
        assert all(
            found.index(before) < found.index(name) for name, some in after(graph).items() for before in some
        )


def test_steps_that_need_nothing_keep_the_order_in_which_they_are_written() -> None:
    assert order(graph_of([("s0", "s5")])) == ["s1", "s2", "s3", "s4", "s5", "s0"]
