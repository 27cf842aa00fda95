"""Python processes of their own, for what must not happen in the one that runs the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def printed_by(script: str) -> str:
    """What a Python process prints that runs `script` and can import the helpers of these tests."""
    folder = str(Path(__file__).parent)
    ended = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {folder!r})\n{script}"],
        capture_output=True,
        check=True,
        text=True,
        timeout=300,
    )
    return ended.stdout
