"""From evidence to findings, the worst first. Pure: nothing is run, read or timed."""
