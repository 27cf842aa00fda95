"""Questions to whoever sits at the terminal, and what is said to them."""

from __future__ import annotations

import sys

from qbench.report.plain_text import plain


class Terminal:
    """A terminal, or none: then nothing is asked.

    Attributes
    ----------
    can_ask
        Whether somebody can answer.
    """

    def __init__(self) -> None:
        self.can_ask = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()

    def ask(self, question: str, default: str = "") -> str:
        """The answer to a question; `default` if it is empty.

        Raises
        ------
        KeyboardInterrupt
            If there will be no answer: Ctrl-C or Ctrl-D.
        """
        try:
            said = input(plain(f"{question} [{default}]: " if default else f"{question}: ")).strip()
        except EOFError as error:
            raise KeyboardInterrupt from error
        return said or default

    def confirm(self, question: str) -> bool:
        """Whether the answer is yes; it is, where nobody can be asked."""
        return not self.can_ask or self.ask(f"{question} (y/n)", "y").lower() in {"y", "yes"}

    def say(self, line: str = "") -> None:
        """Print a line."""
        sys.stdout.write(f"{plain(line)}\n")
        sys.stdout.flush()
