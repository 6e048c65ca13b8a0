"""The texts of the nodes in other languages, and English as the frontend reads it: it puts the file above the form."""

from __future__ import annotations

import re

import pytest
import texts

LANGUAGES = ("en", "zh")
SYNTAX = re.compile(r"[@${}|%\\]")  # what frontends read as instructions to their translator
CHINESE = re.compile(r"[\u4e00-\u9fff]")
SAME = {"cfg", "vae", "clip", "vcu", "vcu_1", "vcu_2", "vcu_3", "vcu_4", "latent", "stg"}  # said so in Chinese too


def leaves(value, path=()):
    if isinstance(value, str):
        yield path, value
        return
    for key, one in value.items():
        yield from leaves(one, (*path, key))


def test_english_is_what_the_forms_say(forms_of_standin):
    """Mended by `python tests/nodes/texts.py`."""
    assert texts.read("en") == {node_id: texts.texts(form) for node_id, form in forms_of_standin.items()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_there_and_none_is_left_over(language):
    english, other = (dict(leaves(texts.read(name))) for name in ("en", language))
    assert sorted(english) == sorted(other)
    assert not [path for path, text in other.items() if text != text.strip() or not text]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_taken_for_an_instruction(language):
    assert not [path for path, text in leaves(texts.read(language)) if SYNTAX.search(text)]


def test_chinese_is_chinese():
    assert not [
        path for path, text in leaves(texts.read("zh")) if not CHINESE.search(text) and text.lower() not in SAME
    ]


def test_what_reads_the_same_in_english_reads_the_same_in_chinese():
    english, chinese = (dict(leaves(texts.read(name))) for name in LANGUAGES)
    said: dict[str, set[str]] = {}
    for path, text in english.items():
        if path[-1] != "name":
            said.setdefault(text, set()).add(chinese[path])
    assert not {text: several for text, several in said.items() if len(several) > 1}


def test_what_quotes_a_node_in_chinese_quotes_its_name():
    chinese = texts.read("zh")
    names = {node["display_name"] for node in chinese.values()}
    quoted = {(path, name) for path, text in leaves(chinese) for name in re.findall("“(VACE [^”]+)”", text)}
    assert not {(path, name) for path, name in quoted if name not in names}
