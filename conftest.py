"""Profiles of hypothesis, for tests and benchmarks.

Its place matters too: pytest puts the folder of a conftest.py on the import path, and tests import `benchmarks`.
"""

from hypothesis import settings
from hypothesis.internal.conjecture import providers

# Hypothesis also draws the numbers that it finds in the source of every local module that happens to be loaded: which
# files are collected, and each edit of them, would change the examples of all other tests. There is no setting for it.
if hasattr(providers, "_get_local_constants"):
    providers._get_local_constants = lambda: providers._local_constants  # noqa: SLF001

# The same examples in every run: what a pull request did not touch does not fail on it.
settings.register_profile("quick", max_examples=50, deadline=None, derandomize=True)
# New examples in every run, each printed so that it can be had again.
settings.register_profile("thorough", max_examples=2000, deadline=None, derandomize=False, print_blob=True)
# This file is imported before hypothesis's plugin is configured: --hypothesis-profile comes later and wins.
settings.load_profile("quick")
