"""`qbench history`: what was accepted of a model over time, and what has drifted."""
