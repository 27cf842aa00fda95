"""Markdown of a run, read back with a renderer of GitHub's flavour."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from run_records import a_run, a_subject, a_verdict

from qbench.records import LatencySample, Subject
from qbench.report.markdown import LIMIT_CHARACTERS, markdown_report
from qbench.report.markdown_text import code, text
from qbench.run_record import AcceptedRecord, RunRecord
from qbench.verdicts import ContestSummary, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

_SIZE = "tiny-int8: size_bytes is 824 B, 5.10% worse than 784 B of the baseline (beyond the tolerance of 1.00%)."
_ADVICE = 'if this is meant, accept it with --qbench-accept "why"; else undo what changed'

#: What GitHub makes links of in text, beside what its Markdown does.
_LINKED = re.compile(r"@\w|#\d|\bGH-\d|\b[0-9a-f]{7,40}\b|:[\w+-]+:|\$|www\.|\w@\w", re.IGNORECASE)

#: The HTML that a report holds; everything else of that form would be somebody else's.
_OWN_HTML = re.compile(r"<!-- qbench [\w.]+ -->\n|<details><summary>[\w ]+ \(\d+\)</summary>\n|</details>\n?", re.ASCII)

HOSTILE = (
    "</summary></details><script>alert(1)</script>",
    "![pixel](https://evil.example/p.png)",
    "[click](javascript:alert(1)) <https://evil.example>",
    "https://evil.example www.evil.example evil.example me@evil.example",
    "@octocat @org/team #1 GH-12 owner/repo#3 0123456789abcdef0123456789abcdef01234567 deadbee",
    "a | b || c \\| d",
    "`` ` ``` code",
    "`",
    "a`<script>b`<i>",
    "**bold** _em_ ~~gone~~ __x__ *",
    "line\n\n# heading\n\n- item\n1. one\n> quote\n```\nfence",
    "- item",
    "1. one",
    "+ plus",
    "===",
    "---",
    "# head",
    "<!-- --> <img src=x onerror=alert(1)> &lt;b&gt; &#64;me",
    "[ref]: https://evil.example",
    "right\u202eto left, null\x00, zero\u200bwidth",
    ":tada: $x^2$ [^1] ^sup^",
    "    indented",
    "\\",
    "",
)


def tokens(markdown: str) -> list[Token]:
    return list(_flat(MarkdownIt("gfm-like").parse(markdown)))


def _flat(found: list[Token]) -> Iterator[Token]:
    for token in found:
        yield token
        yield from _flat(token.children or [])


def assert_nothing_from_outside(markdown: str) -> None:
    """No link, no image, no HTML but our own, no mention or number in what is not code."""
    for token in tokens(markdown):
        assert token.type not in {"link_open", "image", "fence", "code_block", "blockquote_open", "s_open", "em_open"}
        if token.type.startswith("html"):
            assert _OWN_HTML.fullmatch(token.content), token.content
        if token.type == "text":
            assert not _LINKED.search(token.content), token.content


def hostile_run(name: str, **changed: Any) -> RunRecord:
    """A run in which everything that comes from outside is `name`."""
    subject = Subject(model=name, recipe=name)
    accepted = AcceptedRecord(
        artifact_sha256=name, metrics={"accuracy": 0.5}, reason=name, commit=name, accepted_on=name
    )
    verdicts = [
        a_verdict(subject=subject, sentence=f"{name}: it {name} is worse. What to do: {name}.", metric=name),
        *(
            a_verdict(subject=subject, verdict=Verdict.MISSING, metric=f"{name}{number}", reason=f"{number} {name}")
            for number in range(5)
        ),
    ]
    fields = {
        "verdict": "fail",
        "exit_status": 1,
        "headline": "6 fail",
        "gated": True,
        "baselines": name,
        "commit": name,
        "project": name,
        "subjects": (
            a_subject(
                model=name,
                recipe=name,
                verdict=Verdict.FAIL,
                accepted=accepted,
                causes={"size": name},
                problems=(name,),
            ),
        ),
        "verdicts": tuple(verdicts),
        "power": (name,),
        "notes": (name,),
        "problems": (name,),
        "declared_changes": (name,),
    }
    return a_run(**{**fields, **changed})


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_from_outside_is_more_than_text(name: str):
    markdown = markdown_report(hostile_run(name))
    assert_nothing_from_outside(markdown)
    parts = [token.content for token in tokens(markdown) if token.type == "html_block"]
    assert (
        sum(part.startswith("<details>") for part in parts) == sum(part.startswith("</details>") for part in parts) == 4
    )
    found = tokens(markdown)
    kinds = [token.type for token in found]
    assert kinds.count("table_open") == 1
    cells = [after.content for token, after in itertools.pairwise(found) if token.type == "td_open"]
    assert len(cells) == 6
    assert cells[2] == "784 B", "a bar in a name moves no cell"
    assert kinds.count("heading_open") == 1


_texts = st.text(st.characters(codec="utf-8") | st.sampled_from("`|*_[]()<>@#~\\\n!&:$-+= 0a"), max_size=30)


@given(_texts)
def test_no_text_is_more_than_text(name: str):
    assert_nothing_from_outside(markdown_report(hostile_run(name)))


@given(_texts)
def test_a_text_says_what_it_said(said: str):
    seen = " ".join(said.split())
    if not seen.isprintable():
        return  # What cannot be seen is shown by its number.
    for written in (f"x {text(said)}", f"x {code(said)}"):
        shown = "".join(
            token.content for token in tokens(written) if token.type in {"text", "code_inline", "text_special"}
        )
        assert shown == f"x {seen}".rstrip()


def test_the_verdict_stands_first_and_what_is_worst_with_its_reason_before_anything_is_folded():
    verdict = a_verdict(sentence=f"{_SIZE} The artifact changed. 2 of 3. What to do: {_ADVICE}.", advice=_ADVICE)
    subject = a_subject(verdict=Verdict.FAIL, causes={"size": "Why: a float island. More: qbench explain tiny int8"})
    record = a_run(
        verdict="fail",
        exit_status=1,
        headline="1 fail, 7 unchanged",
        gated=True,
        baselines="baselines/ at main (0123456789ab)",
        commit="0123456789abcdef0123456789abcdef01234567+",
        subjects=(subject,),
        verdicts=(verdict,),
    )
    lines = markdown_report(record).splitlines()
    assert lines[:15] == [
        "<!-- qbench shop -->",
        "### ❌ qbench: fail (1 fail, 7 unchanged)",
        "",
        "`shop`, against `baselines/ at main (0123456789ab)`, commit `0123456789ab+`, a processor, litert 2.1.0, 2 s",
        "",
        f"**fail:** {_SIZE.replace('size_bytes', '`size_bytes`')}",
        "- Why: a float island. More: qbench explain tiny int8",
        '- What to do: if this is meant, accept it with --qbench-accept "why"; else undo what changed.',
        "",
        "<details><summary>How sure this is (1)</summary>",
        "",
        "- tiny-int8 `size_bytes`: The artifact changed. 2 of 3.",
        "",
        "</details>",
        "",
    ]
    assert lines[15] == "<details><summary>Every model and recipe (1)</summary>"
    assert "| `tiny` | `int8` | 784 B | - | - | ❌ fail (`size_bytes`) |" in lines


def test_three_are_told_and_the_others_folded():
    verdicts = tuple(a_verdict(sentence=f"number {number} is worse.", now=1.0, reference=0.5) for number in range(5))
    above, _, folded = markdown_report(a_run(verdict="fail", gated=True, verdicts=verdicts)).partition("<details>")
    assert [f"number {number} is worse" in above for number in range(5)] == [True] * 3 + [False] * 2
    assert folded.startswith("<summary>More that is not green (2)</summary>")
    assert "- **fail:** number 4 is worse." in folded


def test_what_is_true_of_many_is_said_once():
    verdicts = tuple(
        a_verdict(verdict=Verdict.MISSING, metric=kind, kind=kind, reason="no baseline", advice="accept")
        for kind in "abcd"
    )
    markdown = markdown_report(a_run(verdict="not judged", gated=True, headline="4 missing", verdicts=verdicts))
    assert "### ⚠️ qbench: not judged (4 missing)" in markdown
    assert "**missing:** tiny-int8: a, b, c, d: no baseline.\n- What to do: accept.\n" in markdown
    assert "More that is not green" not in markdown


@pytest.mark.parametrize(
    ("verdict", "headline", "line"),
    [
        ("pass", "8 unchanged", "### ✅ qbench: pass (8 unchanged)"),
        ("measured", "", "### ℹ️ qbench: measured (nothing was to be judged)"),  # noqa: RUF001 - an emoji
        ("interrupted", "", "### ⚠️ qbench: interrupted (the run ended before its end)"),
        ("fail", "", "### ❌ qbench: fail (exit status 1)"),
    ],
)
def test_a_run_that_ended_otherwise_says_so(verdict: str, headline: str, line: str):
    record = a_run(verdict=verdict, headline=headline, exit_status=1 if verdict == "fail" else 0)
    assert markdown_report(record).splitlines()[1] == line


def test_a_value_stands_beside_the_accepted_one_where_it_is_another_and_a_time_only_beside_one_of_the_same_run():
    accepted = AcceptedRecord(
        artifact_sha256="", metrics={"size_bytes": 784.0, "accuracy": 0.99}, reason="", commit="", accepted_on=""
    )
    contest = ContestSummary(
        finding="slower", faster=False, ratio=1.25, low=1.2, high=1.3, confidence=0.95, other_clock_ratio=1.25,
        clock="cpu", decided_pass_at=None, decided_fail_at=None, groups=8, rounds=("1",), baseline_ns=1e3,
        candidate_ns=1.25e3, seconds=1.0, starting_s=0.1, needed_s=None, seed=1,
    )  # fmt: skip
    latency = dict.fromkeys(("median_ns", "mean_ns", "stddev_ns", "min_ns", "max_ns", "q1_ns", "q3_ns"), 2130.0)
    sample = {**latency, "whisker_low_ns": 1.0, "whisker_high_ns": 1.0, "rounds": 5, "iterations": 1, "outliers": "0;0"}
    subject = a_subject(
        verdict=Verdict.FAIL,
        metrics={"size_bytes": 824.0, "accuracy": 0.99},
        accepted=accepted,
        latency=LatencySample(**sample),
    )
    verdict = a_verdict(metric="latency_ns", kind="latency", contest=contest)
    markdown = markdown_report(a_run(subjects=(subject,), verdicts=(verdict,), verdict="fail", gated=True))
    row = "| `tiny` | `int8` | 784 B → **824 B** | 0.9900 | 2.13 us (**1.250x**) | ❌ fail (`latency_ns`) |"
    assert row in markdown.splitlines()


def test_what_does_not_fit_is_left_out_and_counted():
    subjects = tuple(a_subject(model=f"model-{number}", verdict=Verdict.PASS) for number in range(3000))
    verdicts = tuple(a_verdict(sentence=f"{number} is worse. " + "word " * 400) for number in range(50))
    record = a_run(subjects=subjects, verdicts=verdicts, verdict="fail", gated=True, notes=("a note",) * 20)
    markdown = markdown_report(record)
    assert 55_000 < len(markdown) <= LIMIT_CHARACTERS
    assert_nothing_from_outside(markdown)
    shown = sum(line.startswith("- **fail:**") for line in markdown.splitlines())
    assert 20 < shown < 47
    assert f"\n{47 - shown} of 47 left out here: the JSON of the run has them.\n" in markdown
    assert "Every model and recipe (3000)" in markdown, "what had no room says at least that it is there"
    assert markdown.count("<details>") == markdown.count("</details>")


@pytest.mark.parametrize("limit", [400, 1000, 5000, 20_000])
def test_no_limit_is_passed_however_long_names_are(limit: int):
    run = a_run(
        project="p" * 200, subjects=tuple(a_subject(model="m" * 300) for _ in range(100)), notes=("n" * 3000,) * 9
    )
    assert len(markdown_report(run, limit=limit)) <= limit


@pytest.mark.parametrize("text", ["\u200b" * 60_000, "` " * 60_000, "x" * 60_000])
def test_whatever_was_made_up_leaves_a_comment_that_is_taken(text: str):
    verdicts = tuple(a_verdict(sentence=f"{text}. A{text} What to do: {text}") for _ in range(9))
    record = a_run(
        **dict.fromkeys(("project", "baselines", "headline", "commit"), text),
        **dict.fromkeys(("problems", "declared_changes", "notes"), (text,) * 50),
        verdict="fail",
        gated=True,
        verdicts=verdicts,
    )
    written = markdown_report(record)
    assert len(written) <= LIMIT_CHARACTERS
    assert "❌ qbench: fail" in written
    assert written.count("<details>") == written.count("</details>")


def test_what_a_change_declares_otherwise_is_never_only_counted():
    changes = tuple(f"tool.qbench.key{number} is 1; it was 2" for number in range(30))
    told, _, folded = markdown_report(a_run(declared_changes=changes)).partition("<details>")
    assert "key19" in told
    assert "- and 10 more" in told
    assert all(f"key{number}" in folded for number in range(20, 30))


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (
            'run `pytest benchmarks/ --qbench-accept "why"` and commit.',
            'run `pytest benchmarks/ --qbench-accept "why"` and commit.',
        ),
        ("see (`a_b c`).", "see (`a_b c`)."),
        ("`<b>`, `@me #1`", "`<b>`, `@me #1`"),
        ("`a`.`b`", "`` `a`.`b` ``"),
    ],
)
def test_what_is_quoted_in_backticks_is_one_piece_of_code(said: str, written: str):
    assert text(said) == written
