"""One run: prepare artifacts, measure them, judge what was measured, accept it. Usable without pytest."""

from qbench.session.run import Session, SessionOptions

__all__ = ["Session", "SessionOptions"]
