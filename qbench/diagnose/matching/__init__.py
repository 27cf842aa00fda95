"""Which operators and tensors of two graphs stand for the same thing."""
