"""Whatever a plugin's files hold, the answer is a plugin or problems: never an exception, a wait, or a full memory."""

import json
import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sdk.plugins.sources import IMPORT, codes, plugin, read
from tiltyard.plugins import PluginSource, read_plugin
from tiltyard.plugins.docstrings import read_docstring
from tiltyard.plugins.manifest import read_metadata, read_toml, requirement_problems

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


@pytest.mark.parametrize(
    "requirement",
    [
        "a" + ("<1" + " " * 40) * 10 + "\x01",
        "a" + " " * 498 + "\x01",
        "a" + "-" * 498,
        "a(" + "<1 " * 160 + "x",
    ],
)
def test_no_requirement_keeps_its_reader_busy(requirement):
    # What holds the interpreter for hours holds everybody's requests.
    assert requirement_problems("plugin.toml", [requirement])


def test_no_metadata_of_a_wheel_keeps_its_reader_busy():
    assert read_metadata(b"Requires-Dist: " + b";" * 60_000).requires


@pytest.mark.parametrize("part", ["a", '"a"', "'a'", r'"\""', '""'])
@pytest.mark.parametrize("dot", [".", " . "])
def test_a_key_of_parts_without_end_is_refused_before_it_fills_the_memory(part, dot):
    key = dot.join([part] * 5_000)
    for text in (f"{key} = 1", f"[{key}]", f"[[{key}]]", f"a = {{{key} = 1}}"):
        found = read_toml(f"\n{text}\n".encode(), "plugin.toml", 1 << 20)
        assert isinstance(found, list), "it was read"
        assert [(item.code, item.line) for item in found] == [("malformed_toml", 2)]
        assert "16 parts" in found[0].detail


def test_a_text_with_many_dots_is_no_key():
    text = f'description = "Gives 1.2.3, i. e. {"." * 100} and {"a, b. " * 50}"'
    assert isinstance(read_toml(text.encode(), "plugin.toml", 1 << 20), dict)


HEX = f"0x{'F' * 20_000}"


@pytest.mark.parametrize(
    "source",
    [
        f"@task(name={HEX})\ndef f(): ...\n",
        f"@task(tags={{{HEX}, 1}})\ndef f(): ...\n",
        f"@task(timeout={HEX}, retries={HEX})\ndef f(): ...\n",
    ],
)
def test_a_number_of_many_digits_in_an_option_is_a_problem(source):
    assert set(codes(plugin(main=IMPORT + source))) == {"bad_option"}


def test_a_number_of_many_digits_is_stored_as_it_is_written():
    source = (
        f"from typing import Literal\n@task\ndef f(a={HEX}, b=[-{HEX}], c: Literal[{HEX}, -{HEX}] = 1): ...\n"
    )
    [task] = read(main=IMPORT + source).tasks
    # As Python's own JSON has it: it writes no number of so many digits.
    json.dumps(task.model_dump(mode="json"))
    assert [one.default for one in task.inputs] == [None, None, 1]
    assert task.inputs[0].default_text.startswith("0xFFFF")


def test_names_that_lead_to_very_many_others_are_not_all_followed():
    stars = "".join(f"from q{n} import *\n" for n in range(10_000))
    inputs = ",".join(f"a{n}: z{n}" for n in range(3_000))
    assert codes(plugin(s=stars, main=f"{IMPORT}from .s import *\n@task\ndef f({inputs}): ...\n")) == [
        "too_large"
    ]


def test_types_that_each_come_to_very_many_are_not_all_made():
    one = f"T = tuple[{', '.join(['int'] * 200)}]\n"
    inputs = ",".join(f"a{n}: T" for n in range(20_000))
    assert codes(plugin(main=f"{IMPORT}{one}@task\ndef f({inputs}): ...\n")) == ["too_large"]


def test_what_very_many_modules_need_is_not_followed_from_each():
    others = {f"m{n}": "".join(f"from . import m{k}\n" for k in range(200)) + TASK for n in range(200)}
    named = {name: text.replace("def f", f"def f{name}") for name, text in others.items()}
    assert codes(plugin(**named)) == ["too_large"]


def test_types_of_a_dioptra_toml_that_each_come_to_very_many_are_not_all_made():
    some = ", ".join(['"integer"'] * 30_000)
    outputs = ", ".join(['{name = "a", type = "t"}'] * 5_000)
    described = (
        f'plugin_param_types = [{{name = "t", structure = {{tuple = [{some}]}}}}]\n'
        f'plugins = [{{path = "attacks", tasks = [{{filename = "main.py", name = "f", output_params = [{outputs}]}}]}}]\n'
    )
    assert codes({**plugin(main=TASK), "dioptra.toml": described.encode()}, version="1") == ["too_large"]
