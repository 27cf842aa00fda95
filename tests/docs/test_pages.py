from docs.pages import read_blocks, read_commands, section, tables

_PAGE = """# Title

Text.

<!-- not run: an hour -->
```console
$ one \\
> two
printed
$ three
```

<!-- exit status: 1 -->
<!-- figures differ -->
```toml title="pyproject.toml"
a = 1
```

<!-- not run: belongs to the text below -->
Text.

    indented

## Below

| a | b |
| --- | --- |
| `x\\|y` | 1 |
"""


def test_blocks_come_with_what_the_comments_before_them_say():
    console, toml, indented = read_blocks(_PAGE, "page.md")
    assert (console.language, console.why_not_run, console.line) == ("console", "an hour", 6)
    assert (toml.language, toml.title, toml.exit_status, toml.figures_differ) == ("toml", "pyproject.toml", 1, True)
    assert toml.why_not_run == ""
    assert (indented.fenced, indented.why_not_run, indented.content) == (False, "", "indented\n")


def test_commands_and_what_they_print():
    first, second = read_commands(read_blocks(_PAGE, "page.md")[0])
    assert first == ("one \\\ntwo", ("printed",))
    assert second == ("three", ())


def test_tables_of_a_section():
    assert tables(section(_PAGE, "Below")) == [[["`x|y`", "1"]]]
