"""What a plugin needs, against what the workers of a queue have."""

import pytest

from tiltyard_orchestrator.domain.images import Image, Need, elsewhere, missing

IMAGE = Image(
    packages={"NumPy": "2.3.1", "torch": "2.13.0+cpu", "odd": "not a version"},
    modules=frozenset({"numpy", "torch"}),
)


@pytest.mark.parametrize(
    ("requires", "lacks"),
    [
        (["numpy"], []),
        (["numpy>=2,<3", "Torch>=2"], []),
        (["numpy>=3"], ["numpy>=3 (it has 2.3.1)"]),
        (["keras"], ["keras"]),
        (["keras; python_version < '3'"], []),
        (["torch[extra]>=2"], []),
        (["no requirement at all !"], None),
        (["odd>1"], None),
    ],
)
def test_a_requirement_is_met_by_what_a_worker_reports(requires: list[str], lacks: list[str] | None) -> None:
    found = missing(Need(requires=requires), [IMAGE])
    assert found == lacks if lacks is not None else found


def test_one_image_with_everything_is_enough_and_the_nearest_one_is_told() -> None:
    bare = Image(packages={}, modules=frozenset())
    need = Need(requires=["numpy"], imports=["torch", "sklearn"])
    assert missing(need, [bare, IMAGE]) == ["the module sklearn"]
    assert missing(Need(imports=["torch"]), [bare, IMAGE]) == []
    assert elsewhere(Need(imports=["torch"]), {"cpu": [bare], "pytorch": [IMAGE], "none": []}) == ["pytorch"]


def test_of_a_queue_without_workers_nothing_is_known() -> None:
    assert missing(Need(requires=["numpy"]), []) is None


def test_a_marker_that_nothing_can_be_said_of_is_not_met() -> None:
    [lack] = missing(Need(requires=['numpy; os_name ~= "posix"']), [IMAGE]) or []
    assert lack.startswith('numpy; os_name ~= "posix" (')
