"""Training before quantizing, in the conversion child: pruning, and the rounding that the artifact will have."""
