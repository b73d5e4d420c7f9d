"""Whatever a plugin's files hold, the answer is a plugin or problems: never an exception, a wait, or a full memory."""

import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sdk.plugins.sources import IMPORT, codes, plugin, read
from tiltyard.plugins import PluginSource, read_plugin
from tiltyard.plugins.docstrings import read_docstring

TASK = IMPORT + "@task\ndef f() -> int: return 1\n"


@pytest.mark.parametrize(
    "source",
    [
        b"\0",
        TASK.encode() + b"\0",
        TASK.encode("utf-16"),
        b"# coding: zip\n",
        b"# coding: no-such-encoding\n",
        b"# coding: punycode\nx = 1\n",
        b"\xff\xfe\xff",
        b"\x7fELF\x02\x01\x01",
        b"PK\x03\x04",
        b"def f(:",
        b"  x",
        b"x = 09",
        b"x = " + b"9" * 5000,
        b"(" * 5000,
        b"-" * 100_000 + b"1",
        b"a" + b"+a" * 50_000,
        b"a" + b".b" * 50_000,
        b"lambda:" * 50_000 + b"1",
        b"if a: pass\n" + b"elif a: pass\n" * 20_000,
        b"'''",
        b'f"{' * 500,
    ],
)
def test_a_file_that_is_no_python_is_a_problem_with_that_file(source):
    found = read_plugin(plugin(bad=source, good=TASK))
    assert isinstance(found, list)
    assert [(item.code, item.pointer) for item in found] == [("not_python", "/attacks/bad.py")]


def test_a_file_without_end_is_refused_before_it_is_parsed():
    assert codes(plugin(big="x = 1\n" * 200_000, good=TASK)) == ["too_large"]


def test_more_source_than_can_be_read_in_one_go_is_refused():
    some = "x = [" + "0," * 100_000 + "]\n"
    assert "too_large" in codes(plugin(good=TASK, **{f"m{n}": some for n in range(6)}))


def test_text_that_no_database_holds_is_made_fit():
    text = (
        IMPORT
        + '@task(tags=["\\ud800"])\ndef f(x="a\\0b", y={"\\udfff": "\\ud800"}):\n  "Nul \\0 and half \\ud800."\n'
    )
    [task] = read(main=text).tasks
    task.model_dump_json().encode()
    assert "\0" not in task.summary
    assert task.inputs[0].default == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize(
    "text",
    [
        "a = b\nb = a\n",
        "from .main import *\n",
        "from attacks import main as main\nfrom .main import main as a\na = a.a\n",
        "\n".join(f"from .m{n} import *" for n in range(60)),
        "\n".join(f"x{n} = x{n + 1}" for n in range(3000)),
    ],
)
def test_names_that_lead_round_and_round_come_to_an_end(text):
    others = {f"m{n}": "\n".join(f"from .m{k} import *" for k in range(60)) for n in range(60)}
    began = time.monotonic()
    assert "unknown_type" in codes(
        plugin(main=f"{IMPORT}{text}\n@task\ndef f(p: a, q: x0, r: nowhere): ...\n", **others)
    )
    assert time.monotonic() - began < 20


def test_a_long_elif_is_no_deep_one():
    elifs = "if a: pass\n" + "elif b: import c\n" * 300
    assert read(main=elifs + TASK).tasks[0].imports == ["c"]


def test_problems_without_end_are_cut_off():
    text = IMPORT + "".join(f"@task\ndef f{n}(x: Nothing): ...\n" for n in range(500))
    assert len(codes(plugin(main=text))) == 100


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_answered(data):
    assert read_plugin({**plugin(good=TASK, any=data), "plugin.toml": b"version='1'"})
    assert isinstance(read_plugin({**plugin(good=TASK), "plugin.toml": data}), list | PluginSource)
    assert isinstance(
        read_plugin({**plugin(good=TASK), "dioptra.toml": data}, version="1"), list | PluginSource
    )


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_docstring_is_answered(text):
    found = read_docstring(text)
    assert len(found.summary) <= 501


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["Args:", "Returns:", "    x: y", "Parameters", "---", ":param a: b", "", "  z", "a:"]
        ),
        max_size=12,
    )
)
def test_any_sections_are_answered(lines):
    read_docstring("\n".join(lines))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab.[]|(), 'N*{}1\n", max_size=60))
def test_any_annotation_and_option_is_answered(text):
    for source in (
        f"@task\ndef f(x: {text}): ...\n",
        f"@task({text})\ndef f(x): ...\n",
        f"@task(outputs={text})\ndef f(x): ...\n",
    ):
        assert read_plugin(plugin(main=IMPORT + "a = list[b]\nb = 'a'\n" + source))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_a_real_module_with_random_damage_is_answered(seed):
    chance = random.Random(seed)
    text = bytearray(Path(__file__).read_bytes())
    for _ in range(chance.randrange(1, 20)):
        text[chance.randrange(len(text))] = chance.randrange(256)
    assert read_plugin(plugin(good=TASK, damaged=bytes(text)))
