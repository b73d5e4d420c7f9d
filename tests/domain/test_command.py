"""Every value arrives as the argument it is, however hostile, wherever its placeholder stands."""

import re
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from tiltyard_orchestrator.domain.command import CommandRefused, placeholders, render

SHELLS = [shell for shell in ("sh", "dash", "bash") if shutil.which(shell)]
HOSTILE = [
    "",
    " ",
    "$HOME",
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "a\nb",
    "\n",
    "\\",
    "\\\\",
    "*",
    "~",
    "~root",
    "-n",
    "--",
    "2",
    "A=b",
    "#",
    "if",
    "!",
    "{a,b}",
    "a b",
    "é☃",
    "&& false",
    "> out",
    "$'\\n'",
    "'",
    '"',
    "a'b\"c`d$e\\f",
    "x[$(touch pwned)]",
    "${IFS}",
    "\r",
    "\x01\x7f",
]
values = (
    st.sampled_from(HOSTILE)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
    | st.text("$`'\"\\ \n{}()[]#*~=<>&;|!-a0", max_size=10)
)


def arguments(command: str, shell: str = "sh", cwd: str | None = None) -> list[str] | None:
    """What a program gets from `command`, or None where the shell refuses it."""
    done = subprocess.run(
        [shell, "-c", command], capture_output=True, check=False, timeout=20, cwd=cwd, stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent/home"},
    )  # fmt: skip
    return done.stdout.decode().split("\0")[:-1] if done.returncode == 0 else None


@pytest.mark.parametrize("shell", SHELLS)
@given(first=values, second=values, third=values)
@settings(max_examples=60, deadline=None)
def test_values_arrive_byte_for_byte_in_every_kind_of_quotes(shell, first, second, third):
    command = "printf '%s\\0' {a} --a={a} \"{b}\" \"x $((1+1)) {b}\" '{c}' '--c={c}' {a}\"{b}\"'{c}'"
    command = command.replace("$((1+1))", "two")
    got = arguments(render(command, {"a": first, "b": second, "c": third}), shell)
    assert got == [
        first, f"--a={first}", second, f"x two {second}", third, f"--c={third}", first + second + third,
    ]  # fmt: skip


# No `&` and no redirection to the value: those differ by themselves.
FRAGMENTS = st.sampled_from(
    ["{x}", "{x}", "{x}", " ", " ", '"', "'", "\\", "$", "`", "(", ")", "{{", "}}", "#", "\n", "\\\n", "a", "HOME", "$HOME", "$(", "${{",
     "=", "<", "<(", "> a", ";", "|", "[", "]", "*", "!", "~", ",", "echo ", "case a in ", "if ", "0", "$#", "$?", "<<E\n", "\nE\n", "-"]
)  # fmt: skip


@pytest.mark.parametrize("shell", SHELLS)
@given(fragments=st.lists(FRAGMENTS, min_size=1, max_size=9), value=values)
@example(fragments=["{x}", "> ", "a"], value="2")
@example(fragments=["{x}", "=", "1"], value="HOME")
@example(fragments=['"', "$HOME", "{x}", '"'], value="X")
@example(fragments=["{{", "$", ",", "a", "}}", "{x}"], value="HOME")
@example(fragments=["$", "\\\n", "{x}"], value="HOME")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_wherever_a_placeholder_is_accepted_the_value_changes_nothing_but_itself(
    tmp_path_factory, shell, fragments, value
):
    template = "printf '%s\\0' " + "".join(fragments)
    try:
        names = placeholders(template)
    except CommandRefused:
        assume(False)
    assume(names and not re.search(r"\$\{*\$|[<>]\s*\{x", template.replace("\\\n", "")))
    folder = tmp_path_factory.mktemp("cwd")
    marker = "Qm9"
    harmless = arguments(render(template, {"x": marker + "'"}), shell, folder)
    assume(harmless is not None and any(marker in text for text in harmless))
    hostile = arguments(render(template, {"x": value}), shell, folder)
    assert not (folder / "pwned").exists()
    assert hostile == [text.replace(marker + "'", value) for text in harmless]
