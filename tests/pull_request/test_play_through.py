"""Pull requests from their branch to the summary: a clean one is green, and whatever makes a model worse is red."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models_zoo
import pytest

from pull_request.shop import Judged, Shop, remove_tree, slow_float

if TYPE_CHECKING:
    from small_project import Project


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = Shop(tmp_path_factory.mktemp("shop"))
    made.publish()
    return made


def less_accurate(project: Project) -> None:
    project.write("tiny.int8.tflite", models_zoo.dense_int8(seed=1))


def larger(project: Project) -> None:
    project.write("tiny.int8.tflite", models_zoo.dense_int8() + bytes(40))


def edit(project: Project, old: str, new: str) -> None:
    """Replace text in pyproject.toml, which has to be there."""
    path = project.path / "pyproject.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def assert_red(judged: Judged, headline: str, *told: str) -> None:
    assert judged.status != 0
    assert judged.headline.startswith(headline), judged.headline
    for sentence in told:
        assert sentence in judged.told, judged.told


def test_a_clean_change_is_green(shop: Shop):
    judged = shop.judge(lambda project: project.write("README.md", "words"))
    assert judged.status == 0
    assert judged.headline.startswith("### ✅ qbench: pass (")
    assert "declares otherwise" not in judged.summary
    assert {path.name for path in judged.report.iterdir()} == {"run.json", "report.html", "junit.xml"}


def test_a_drop_of_accuracy_is_red(shop: Shop):
    judged = shop.judge(less_accurate)
    assert_red(judged, "### ❌ qbench: fail (", "**fail:** tiny-int8: accuracy is", "worse than 1.0000 of the baseline")
    assert judged.status == 1
    assert "- What to do: " in judged.told
    assert {path.name for path in judged.report.iterdir()} == {"run.json", "report.html", "junit.xml"}, "also when red"


def test_a_growth_is_red(shop: Shop):
    judged = shop.judge(larger)
    assert_red(
        judged, "### ❌ qbench: fail (1 fail", "**fail:** tiny-int8: `size_bytes` is 824 B, 5.10% worse than 784 B"
    )


def test_a_slowdown_is_red(shop: Shop):
    judged = shop.judge(lambda project: project.write("tiny.fp32.tflite", slow_float()))
    assert_red(judged, "### ❌ qbench: fail (1 fail", "**fail:** tiny-fp32: `latency_ns` is", "- Why: ")
    assert "- tiny-fp32 `latency_ns`: The artifact changed. Side by side the ratio is" in judged.summary


def test_the_action_does_the_same_with_its_inputs(shop: Shop):
    judged = shop.judge(larger, action={"arguments": "--qbench-recipe\nint8\n\n-k\nsize or accuracy\n"})
    assert_red(
        judged, "### ❌ qbench: fail (1 fail", "**fail:** tiny-int8: `size_bytes` is 824 B, 5.10% worse than 784 B"
    )
    assert "1 failed, 1 passed, 6 deselected" in judged.printed


def _accept(project: Project) -> None:
    less_accurate(project)
    edit(project, "tolerance.latency", "tolerance.accuracy_drop = 1.0\ntolerance.latency")
    project.accept("trust me")


def _accept_elsewhere(project: Project) -> None:
    edit(project, "[tool.qbench]", '[tool.qbench]\nbaselines = "mine"')
    less_accurate(project)
    edit(project, "tolerance.latency", "tolerance.accuracy_drop = 1.0\ntolerance.latency")
    project.accept("trust me")
    remove_tree(project.baselines)


def _remove_baselines(project: Project) -> None:
    less_accurate(project)
    remove_tree(project.baselines)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_accept, "baselines are changed, and do not count before this is merged:"),
        (_accept_elsewhere, '`tool.qbench.baselines` is "mine"; it was not there'),
        (_remove_baselines, "baselines are changed, and do not count before this is merged:"),
    ],
    ids=["edited", "elsewhere", "removed"],
)  # fmt: skip
def test_a_pull_request_cannot_bless_itself(shop: Shop, change, said: str):
    assert_red(shop.judge(change), "### ❌ qbench: fail (", "**fail:** tiny-int8: accuracy is", said)


def _remove_the_tests(project: Project) -> None:
    (project.path / "benchmarks" / "test_models.py").unlink()
    project.write("benchmarks/test_nothing.py", "def test_nothing():\n    pass\n")


def _skip_one(project: Project) -> None:
    path = project.path / "benchmarks" / "test_models.py"
    path.write_text(
        f"import pytest\n{path.read_text().replace('def test_size', '@pytest.mark.skip' + chr(10) + 'def test_size')}"
    )


def _skip_by_conftest(project: Project) -> None:
    project.write("conftest.py", "def pytest_collection_modifyitems(items):\n    items[:] = items[:2]\n")


def _remove_the_recipe(project: Project) -> None:
    edit(project, ', int8 = "tiny.int8.tflite"', "")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_remove_the_tests, ["**missing:** tiny-fp32, tiny-int8: accuracy, latency, size, structure: not measured"]),
        (_skip_one, ["size: not measured", "tests are changed: `benchmarks/test_models.py`"]),
        (_skip_by_conftest, ["not measured: no test did", "tests are changed: `conftest.py`"]),
        (_remove_the_recipe, ["tiny-int8 has a baseline and is no longer declared", "tiny.source.int8` is gone"]),
    ],
    ids=["tests", "skip", "conftest", "recipe"],
)  # fmt: skip
def test_what_is_measured_no_longer_is_red(shop: Shop, change, told: list[str]):
    judged = shop.judge(change)
    assert_red(judged, "### ⚠️ qbench: not judged (", *told)
    assert judged.status == 8


def test_what_a_pull_request_is_judged_by_otherwise_is_said_also_where_it_is_green(shop: Shop):
    def change(project: Project) -> None:
        larger(project)
        edit(project, "tolerance.latency", "tolerance.size = 0.5\ntolerance.latency")

    judged = shop.judge(change)
    assert judged.status == 0
    assert "- `tool.qbench.tolerance.size` is 0.5; it was not there" in judged.told


def test_a_model_that_is_retired_is_said_and_so_is_the_one_that_takes_its_place(shop: Shop):
    def change(project: Project) -> None:
        edit(project, "models.tiny]", "models.other]")
        edit(project, "[tool.qbench]", '[tool.qbench]\nretired = {tiny = "@me says so"}')
        project.accept()

    judged = shop.judge(change)
    assert judged.status == 0
    assert "`tool.qbench.retired`" in judged.told
    assert "has no baseline of other-fp32, other-int8: judged by what this change accepts itself" in judged.told


def test_a_label_that_only_maintainers_set_has_a_change_judged_by_its_own_baselines(shop: Shop):
    judged = shop.judge(_accept, labelled=True)
    assert judged.status == 0
    assert judged.summary.startswith(
        "The label `qbench-accept` is set: judged by the baselines of this pull request.\n"
    )
    assert judged.headline.startswith("### ✅ qbench: pass (")


def test_a_run_that_cannot_begin_is_red(shop: Shop):
    def change(project: Project) -> None:
        edit(project, "[tool.qbench]", "[tool.qbench]\nmistyped = 1")

    judged = shop.judge(change)
    assert judged.status == 4
    assert "tool.qbench.mistyped" in judged.printed
    assert not (judged.report / "run.json").exists()


def test_without_the_table_there_is_no_gate_and_no_green(shop: Shop):
    judged = shop.judge(lambda project: project.write("pyproject.toml", "[tool.other]\n"))
    assert judged.status == 4
