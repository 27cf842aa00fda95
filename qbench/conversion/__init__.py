"""The conversion child: the only process that imports TensorFlow, and what quantizes without it."""
