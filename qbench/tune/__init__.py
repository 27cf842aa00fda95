"""The search for the cheapest recipe that passes the tolerances: `qbench tune`."""
