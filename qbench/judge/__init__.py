"""Pure judgement: numbers in, verdicts out, no input or output."""
