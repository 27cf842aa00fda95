"""What else is known of an artifact: its weights, its calibration, its kernels and times, what changed in it."""
