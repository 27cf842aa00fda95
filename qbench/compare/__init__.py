"""`qbench compare`: the whole verdict for two artifacts, without a project."""
