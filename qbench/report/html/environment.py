"""The templates of the page, its style, and what a browser is told not to load."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qbench.report.html.untrusted import LONGEST_BRIEF, LONGEST_NAME, finalize, shown
from qbench.report.wording import format_size, format_time, format_value

_PACKAGE = "qbench.report.html"
_SHORT = 12


def render_template(name: str, values: dict[str, object]) -> str:
    """Fill a template of this package; everything printed by it is escaped.

    Raises
    ------
    jinja2.UndefinedError
        If the template names what is not in `values`: a mistake in this package.
    """
    return _environment().get_template(name).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(_PACKAGE, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "name": lambda text: shown(text, LONGEST_NAME),
        "brief": lambda text: shown(text, LONGEST_BRIEF),
        "size": format_size,
        "time": format_time,
        "value": lambda value, metric: format_value(metric, value),
        "num": coordinate,
        "png": data_url,
        "commit": short_commit,
    }
    environment.globals |= {"style": Markup(_style()), "policy": _policy()}  # noqa: S704 - a file of this package
    return environment


def coordinate(value: float) -> str:
    """A place in a drawing with no more digits than are seen."""
    return f"{value:.1f}".removesuffix(".0")


def data_url(png: bytes) -> Markup:
    """A picture as its own address: whole, where text would be cut, and of letters that need no escape."""
    return Markup("data:image/png;base64,{}").format(base64.b64encode(png).decode("ascii"))


def short_commit(commit: str) -> str:
    """A commit as people write it, with ``+`` behind it if files differed from it."""
    if not commit:
        return "none: not in git"
    return commit[:_SHORT] + ("+" if commit.endswith("+") else "")


@cache
def _style() -> str:
    return files(_PACKAGE).joinpath("templates/page.css").read_text(encoding="utf-8")


@cache
def _policy() -> str:
    """A Content-Security-Policy that allows this style and pictures that are in the page, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode("ascii")
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
