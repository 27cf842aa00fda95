from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest

from qbench.errors import ConfigError
from qbench.models.tables import check_function, check_name, convert_table, convert_value, describe


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    """A record inside another one."""

    size: int = 0


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One field of each type that a table of ours has."""

    needed: int
    word: Literal["one", "two"] = "one"
    share: float | None = None
    names: list[str] = []
    fixed: tuple[str, ...] = ()
    by_name: dict[str, float] = {}
    switch: bool = False
    either: str | int | None = None
    anything: Any = None
    number_or_record: float | Inner | None = None
    records_by_name: dict[str, float | Inner] = {}

    def __post_init__(self) -> None:
        """Refuse what no type can."""
        if self.needed == 13:
            raise ValueError("a lucky number, found thirteen")
        if self.needed == 14:
            raise ValueError("a number that is not fourteen")


def _error(raw, **options):
    with pytest.raises(ConfigError) as caught:
        convert_table(raw, Record, "at.key", **options)
    return caught.value.key, caught.value.found, caught.value.expected


def test_every_value_is_taken():
    raw = {
        "needed": 1,
        "word": "two",
        "share": 2,
        "names": ["a"],
        "fixed": ["b", "c"],
        "by_name": {"d": 0.5},
        "switch": True,
        "either": "text",
        "anything": {"x": 1},
        "number_or_record": {"size": 3},
        "records_by_name": {"a": 2, "b": {"size": 3}},
    }
    assert convert_table(raw, Record, "at.key") == Record(
        needed=1,
        word="two",
        share=2.0,
        names=["a"],
        fixed=("b", "c"),
        by_name={"d": 0.5},
        switch=True,
        either="text",
        anything={"x": 1},
        number_or_record=Inner(size=3),
        records_by_name={"a": 2.0, "b": Inner(size=3)},
    )


def test_defaults_stand_for_what_is_not_there():
    assert convert_table({"needed": 1}, Record, "at.key") == Record(needed=1)


@pytest.mark.parametrize(
    ("values", "key", "found", "expected"),
    [
        ({"needed": "1"}, "at.key.needed", "the string '1'", "a whole number"),
        ({"needed": True}, "at.key.needed", "the boolean True", "a whole number"),
        ({"needed": 1.5}, "at.key.needed", "the number 1.5", "a whole number"),
        ({"word": "three"}, "at.key.word", "the string 'three'", "one of 'one', 'two'"),
        ({"word": 1}, "at.key.word", "the integer 1", "one of 'one', 'two'"),
        ({"share": "half"}, "at.key.share", "the string 'half'", "a number"),
        ({"names": "a"}, "at.key.names", "the string 'a'", "an array, each item a string"),
        ({"names": ["a", 2]}, "at.key.names[1]", "the integer 2", "a string"),
        ({"fixed": ["a", "b", {}]}, "at.key.fixed[2]", "a table", "a string"),
        ({"by_name": ["a"]}, "at.key.by_name", "an array ['a']", "a table"),
        ({"by_name": {"a": 1, "b": "2"}}, "at.key.by_name.b", "the string '2'", "a number"),
        ({"switch": 1}, "at.key.switch", "the integer 1", "true or false"),
        ({"number_or_record": "a"}, "at.key.number_or_record", "the string 'a'", "a number or a table"),
        ({"number_or_record": {"size": "a"}}, "at.key.number_or_record.size", "the string 'a'", "a whole number"),
        ({"records_by_name": {"a": {"width": 1}}}, "at.key.records_by_name.a.width", "an unknown key", "one of size"),
        ({"either": 1.5}, "at.key.either", "the number 1.5", "a string or a whole number"),
    ],
)
def test_a_wrong_type_has_its_path_and_what_was_found_and_expected(values, key, found, expected):
    assert _error({"needed": 1, **values}) == (key, found, expected)


def test_a_key_that_must_be_there_is_named():
    assert _error({"word": "one"}) == ("at.key.needed", "nothing", "a whole number")


@pytest.mark.parametrize("raw", [3, "text", ["needed"], None])
def test_what_is_no_table_is_refused(raw):
    assert _error(raw) == ("at.key", describe(raw), "a table")


def test_an_unknown_key_is_told_what_it_may_have_meant():
    key, found, expected = _error({"needed": 1, "swich": True})
    assert (key, found) == ("at.key.swich", "an unknown key")
    assert expected.startswith("one of needed, word, share,")
    assert expected.endswith("(did you mean 'switch'?)")


def test_an_unknown_key_like_no_other_is_told_what_there_is():
    assert "did you mean" not in _error({"needed": 1, "zzz": True})[2]


def test_keys_that_somebody_else_reads_are_offered():
    assert _error({"needed": 1, "recipe": {}}, also_known=("recipes",))[2].endswith("recipes (did you mean 'recipes'?)")


@pytest.mark.parametrize(
    ("needed", "found", "expected"),
    [(13, "thirteen", "a lucky number"), (14, "a table", "a number that is not fourteen")],
)
def test_what_a_record_refuses_is_an_error_of_its_table(needed, found, expected):
    assert _error({"needed": needed}) == ("at.key", found, expected)


def test_values_inside_tables_are_found():
    with pytest.raises(ConfigError, match=r"key\.a\.b\[0\]: found the integer 1, expected a string"):
        convert_value({"a": {"b": [1]}}, dict[str, dict[str, list[str]]], "key")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "the boolean True"),
        (3, "the integer 3"),
        (0.5, "the number 0.5"),
        ("a", "the string 'a'"),
        ("a" * 100, "the string"),
        ([1, 2], "an array [1, 2]"),
        (list(range(100)), "an array"),
        ({"a": 1}, "a table"),
        (None, "nothing"),
    ],
)
def test_values_are_described_on_one_line(value, text):
    assert describe(value) == text


@pytest.mark.parametrize("name", ["a", "mnist-mlp", "v1.2_x", "9"])
def test_names_may_be_files(name):
    check_name(name, "key")


@pytest.mark.parametrize("name", ["", ".hidden", "-x", "_x", "a/b", "a b", "..", "ä", "a\n"])
def test_names_that_are_no_files_are_refused(name):
    with pytest.raises(ConfigError, match=r"key: found the name .* expected letters, digits"):
        check_name(name, "key")


@pytest.mark.parametrize("name", ["module:function", "a.b.c:d", "_a._b:_c", "m1:f2"])
def test_functions_have_a_module_and_a_name(name):
    check_function(name, "key")


@pytest.mark.parametrize("name", ["", ":", "module", "module:", ":function", "a..b:c", ".a:b", "a:b:c", "a:b.c", "1:f"])
def test_names_that_are_no_functions_are_refused(name):
    with pytest.raises(ConfigError) as caught:
        check_function(name, "key")
    assert (caught.value.key, caught.value.found, caught.value.expected) == ("key", repr(name), "'module:function'")
