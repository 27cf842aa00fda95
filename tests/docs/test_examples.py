"""Every example of every page is run, or says why it is not."""

from __future__ import annotations

import ast
import shutil

import pytest
from docs.command_lines import wrong_in
from docs.example_folder import ExampleFolder
from docs.pages import ROOT, Block, documented_pages, page_name, project_of, read_blocks, read_commands

_TUTORIAL = "docs/tutorial.md"
_FIRST_BRANCH = "other-unit"

#: Pages whose reader has files that others do not have: these are run by tests of their own.
_ELSEWHERE = {"docs/first-five-minutes.md"}

#: Pages whose blocks are indented, and say by what they hold what they are.
_PLAIN = {"README.md"}


def _language(content: str) -> str:
    """The language of a block that does not say it."""
    if content.startswith("[tool."):
        return "toml"
    try:
        tree = ast.parse(content)
    except SyntaxError:
        return ""
    return "python" if any(isinstance(node, (ast.FunctionDef, ast.ImportFrom)) for node in tree.body) else ""


def _blocks(path) -> list[Block]:
    page = page_name(path)
    blocks = read_blocks(path.read_text(encoding="utf-8"), page)
    if page not in _PLAIN:
        return blocks
    return [block if block.fenced else block._replace(language=_language(block.content)) for block in blocks]


_EXAMPLES = {page_name(path): _blocks(path) for path in documented_pages()}
_ALL = [block for blocks in _EXAMPLES.values() for block in blocks]


def _is_run(block: Block) -> bool:
    return bool(block.language) and not block.why_not_run


def _run_blocks(folder: ExampleFolder, blocks: list[Block]) -> None:
    for block in filter(_is_run, blocks):
        if wrong := folder.run(block):
            pytest.fail(f"{block}: {wrong}", pytrace=False)


@pytest.fixture(scope="session")
def tutorial_project(tmp_path_factory) -> ExampleFolder:
    """What the tutorial has come to where its first pull request begins."""
    path = tmp_path_factory.mktemp("tutorial")
    folder = ExampleFolder(path)
    (end,) = (block.line for block in _EXAMPLES[_TUTORIAL] if f"$ git switch -q -c {_FIRST_BRANCH}" in block.content)
    _run_blocks(folder, [block for block in _EXAMPLES[_TUTORIAL] if block.line < end])
    return folder


@pytest.mark.parametrize(
    "page", [page for page, blocks in _EXAMPLES.items() if page not in _ELSEWHERE and any(map(_is_run, blocks))]
)
def test_examples_do_what_their_page_says(page, tmp_path, monkeypatch, request):
    at = "."
    project = project_of((ROOT / page).read_text(encoding="utf-8"))
    if project:
        assert f"docs/{project}" == _TUTORIAL
        made = request.getfixturevalue("tutorial_project")
        shutil.copytree(made.path, tmp_path / "folder")
        at = made.place
    else:
        (tmp_path / "folder").mkdir()
    folder = ExampleFolder(tmp_path / "folder", at)
    monkeypatch.chdir(folder.path / at)
    monkeypatch.syspath_prepend(folder.path)
    _run_blocks(folder, _EXAMPLES[page])


def test_every_example_is_run_or_says_why_not():
    silent = [str(block) for block in _ALL if not (_is_run(block) or block.why_not_run or block.page in _PLAIN)]
    assert silent == [], "say what it is (```console), or why it is not run (<!-- not run: ... -->)"
    assert [str(block) for block in _ALL if not (block.fenced or block.page in _PLAIN)] == [], "put it between ```"


def test_most_examples_are_run():
    """What is not run is counted, so that it does not become the rule."""
    # Commands that take from minutes to hours, and what they print; everything else of them is illustration.
    assert len([block for block in _ALL if block.why_not_run]) <= 60
    assert len(list(filter(_is_run, _ALL))) >= 30


def test_options_of_commands_exist_also_where_they_are_not_run(pytestconfig):
    lines = {
        f"{block}: {command.text}": wrong_in(command.text, pytestconfig)
        for block in _ALL
        if block.language == "console"
        for command in read_commands(block)
    }
    assert len(lines) > 20
    assert {line: wrong for line, wrong in lines.items() if wrong} == {}


def test_commands_of_plain_pages_exist(pytestconfig):
    lines = [line for block in _ALL if not block.fenced for line in block.content.splitlines()]
    told = [line for line in lines if line.startswith(("pytest ", "qbench ")) and ":" not in line.split()[0]]
    assert told
    assert {line: wrong for line in told if (wrong := wrong_in(line, pytestconfig))} == {}
