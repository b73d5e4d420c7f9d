"""The repository's own rules. What a person would have to remember at each change is remembered here."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HOME_OF_SOMEBODY = re.compile(r"(?<![\w$}.-])/(?:root|work|home|Users)/(?!\.)\w")
HOLLOW_NAMES = re.compile(r"(^|_)(managers?|handlers?|helpers?|utils?|common|services?)$")


def tracked() -> list[Path]:
    """Every file that git knows and that is still there."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a checkout: there is no list of tracked files")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def texts() -> dict[str, str]:
    """Tracked text, by path; the lock file is judged by its own tests."""
    found = {}
    for path in tracked():
        content = path.read_bytes()
        if path.name != "uv.lock" and b"\0" not in content:
            found[str(path.relative_to(ROOT))] = content.decode()
    return found


def test_no_file_names_a_folder_of_the_machine_it_was_written_on() -> None:
    found = {path: match[0] for path, text in texts().items() if (match := HOME_OF_SOMEBODY.search(text))}
    assert found == {}


def test_no_module_has_a_name_that_names_no_idea() -> None:
    assert [str(path) for path in tracked() if path.suffix == ".py" and HOLLOW_NAMES.search(path.stem)] == []


def test_nothing_is_left_to_be_done() -> None:
    mark = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    assert [path for path, text in texts().items() if mark.search(text)] == []


def test_every_text_ends_with_one_newline_and_has_no_trailing_blanks() -> None:
    for path, text in texts().items():
        assert not text or text.endswith("\n"), path
        assert not text.endswith("\n\n"), path
        assert not re.search(r"[ \t]\n", text), path


def test_every_link_between_documents_leads_somewhere() -> None:
    for path, text in texts().items():
        if not path.endswith(".md"):
            continue
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if "://" not in target:
                assert ((ROOT / path).parent / target).exists(), f"{path} links to {target}"


def test_the_changelog_has_a_place_for_what_is_next() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"


def test_decisions_are_numbered_without_gaps() -> None:
    names = sorted(path.name for path in (ROOT / "docs/decisions").glob("*.md"))
    assert [name[:5] for name in names] == [f"{number:04}-" for number in range(1, len(names) + 1)]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs/decisions").glob("*.md")), ids=lambda path: str(path.stem)
)
def test_a_decision_is_one_page_with_its_reasons(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(f"# {path.name[:4]}: ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "Refused"]
    assert "\nStatus: " in text
    assert len(text.splitlines()) <= 60


def test_make_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE)
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [target for target in targets if not re.search(rf"^  {target} +\S", listed, re.MULTILINE)] == []
    assert set(re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[0].split()) == set(targets)


def test_ci_runs_what_the_readme_tells_a_user_to_run() -> None:
    script = (ROOT / ".ci/run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()
    assert script.rstrip().endswith("make test")
    assert "TILTYARD_TEST_REQUIRE_SITE=1" in script


def test_commits_and_make_check_the_same_things() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    recipe = (ROOT / "Makefile").read_text().split("\ncheck:")[1].split("\n\n")[0]
    tools = {str(hook["entry"]).split()[0].rpartition("/")[2] for hook in hooks}
    assert tools == set(re.findall(r"\$\(BIN\)/([\w-]+)", recipe))


def test_every_command_that_is_promised_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    roots = {
        "tiltyard": "sdk",
        "api": "api",
        "orchestrator": "orchestrator",
        "workers": "workers",
        "plugins": "plugins",
    }
    for target in project["entry-points"]["tiltyard.commands"].values():
        module = target.split(":")[0]
        folder = roots[module.split(".")[0].removeprefix("tiltyard_")]
        path = ROOT / folder / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), target


def test_the_lock_file_names_the_public_index_alone() -> None:
    lock = (ROOT / "uv.lock").read_text()
    assert set(re.findall(r'registry = "([^"]+)"', lock)) == {"https://pypi.org/simple"}
    assert set(re.findall(r'url = "https?://([^/"]+)', lock)) == {"files.pythonhosted.org"}


def test_the_lock_file_is_current() -> None:
    uv = shutil.which("uv", path=str(ROOT / ".tools/bin")) or shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed: `make setup` brings it")
    command = [uv, "lock", "--check", "--offline", "--no-python-downloads"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "network" in checked.stderr.lower() or "offline" in checked.stderr.lower():
        pytest.skip("uv has no cached copy of the index to check the lock file against")
    assert checked.returncode == 0, checked.stderr
