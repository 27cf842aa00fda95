"""Verdicts in, text out, no judgement."""
