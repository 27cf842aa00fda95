"""Nothing but its place: pytest puts the folder of a conftest.py on the import path, and tests import `benchmarks`."""
