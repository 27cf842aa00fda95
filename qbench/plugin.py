"""The pytest plugin: options and hooks, each a few lines that hand on to the session.

Nothing but pytest and the standard library is imported before a project turns out to have a
`[tool.qbench]`: in any other project the plugin costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from qbench.plugin_run import PytestRun

_RUN: pytest.StashKey[PytestRun] = pytest.StashKey()
_TABLE = "[tool.qbench"
_OPTIONS = (
    *("qbench_model", "qbench_recipe", "qbench_accept", "qbench_base_ref"),
    *("qbench_base_python", "qbench_always_contest", "qbench_seed", "qbench_json", "qbench_html", "qbench_markdown"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options; `--benchmark-compare` is pytest-benchmark's, and switches the gate on."""
    group = parser.getgroup("qbench", "quantized model benchmarks")
    group.addoption("--qbench-model", action="append", default=[], metavar="MODEL", help="Only this model; repeatable.")
    group.addoption(
        "--qbench-recipe", action="append", default=[], metavar="RECIPE", help="Only this recipe; repeatable."
    )
    group.addoption(
        "--qbench-accept",
        metavar="REASON",
        default=None,
        help="Accept what this run measures as the new baselines, and keep the reason with them.",
    )
    group.addoption(
        "--qbench-base-ref",
        metavar="REF",
        default=None,
        help="Read baselines from this git commit instead of the working tree.",
    )
    group.addoption(
        "--qbench-base-python",
        metavar="PATH",
        default=None,
        help="Run what was accepted in this Python, after an upgrade of the runtime or of Python; `auto` builds it.",
    )
    group.addoption(
        "--qbench-always-contest",
        action="store_true",
        default=None,
        help="Judge latency by a contest also where nothing has changed.",
    )
    group.addoption(
        "--qbench-seed",
        type=int,
        metavar="N",
        default=None,
        help="Draw the order of blocks as the run did that printed this seed.",
    )
    group.addoption(
        "--qbench-json", metavar="PATH", default=None, help="Write everything that was measured and judged, as JSON."
    )
    group.addoption(
        "--qbench-markdown",
        metavar="PATH",
        default=None,
        help="Write the verdict and what is worst as Markdown, for the summary of a job or a comment.",
    )
    group.addoption(
        "--qbench-html", metavar="PATH", default=None, help="Write a page of verdicts, flips, operators and history."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Wake up in a project that has a `[tool.qbench]`."""
    config.addinivalue_line(
        "markers", "qbench(**tolerance): change tolerances for one test, such as qbench(latency=0.10)."
    )
    if _declares_models(config):
        from qbench.plugin_run import start  # noqa: PLC0415 - costs time that other projects must not pay

        config.stash[_RUN] = start(config)
    elif given := [name for name in _OPTIONS if config.getoption(name) not in (None, [])]:
        flags = " and ".join("--" + name.replace("_", "-") for name in given)
        raise pytest.UsageError(f"{flags}: needs a [tool.qbench] in {config.rootpath / 'pyproject.toml'}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Refuse to end green with a base ref and nothing judged, as with a --collect-only that a pull request adds."""
    status = yield
    # Of all options: those behind a --help are parsed no further.
    base_ref = getattr(config.known_args_namespace, "qbench_base_ref", None)
    run = _run(config)
    if not status and base_ref is not None and not hasattr(config, "workerinput") and not (run and run.outcome):
        raise pytest.UsageError(
            "--qbench-base-ref: nothing was judged: an option ends pytest before any test runs, such as --collect-only "
            "or --help; take it from the command line, or from addopts in the configuration of pytest"
        )
    return status


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for our fixtures once for each model and recipe, or for each model."""
    if run := _run(metafunc.config):
        run.parametrize(metafunc)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Apply --qbench-model and --qbench-recipe."""
    if run := _run(config):
        run.select(items)


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Remember what was left out, so that it is not taken for green."""
    if items and (run := _run(items[0].config)):
        run.note_deselected(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build and check all artifacts before anything is measured."""
    run = _run(session.config)
    if run and not session.config.option.collectonly:
        run.prepare(session.items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note failed and skipped tests: neither may become a baseline, nor pass for judged."""
    report = yield
    if run := _run(item.config):
        run.note_report(item, report, call)
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what a pytest-xdist worker measured."""
    if run := _run(node.config):
        run.merge_worker(getattr(node, "workeroutput", {}), error)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Close the run, before pytest-benchmark saves anything; accept what was asked to be accepted."""
    if run := _run(session.config):
        run.finish(session)
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Print our table after pytest-benchmark's, also when that one ends in an exception."""
    run = _run(terminalreporter.config)
    if run is None:
        return (yield)
    try:
        return (yield)
    except Exception as error:
        if not run.bridge.explain(error, terminalreporter):
            raise
        return None
    finally:
        if run.outcome is not None:
            run.outcome.report(terminalreporter)


def _run(config: pytest.Config) -> PytestRun | None:
    return config.stash.get(_RUN, None)


def _declares_models(config: pytest.Config) -> bool:
    """Whether pyproject.toml has a `[tool.qbench]`; read as text, because parsing TOML is not free."""
    try:
        with (config.rootpath / "pyproject.toml").open(encoding="utf-8") as stream:
            return any(line.lstrip().startswith(_TABLE) for line in stream)
    except (OSError, UnicodeDecodeError):
        return False
