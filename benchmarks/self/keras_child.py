"""Times Keras's own `evaluate` whenever a line comes in; started by `benchmarks.self.evaluation`."""

from __future__ import annotations

import sys
import time

import keras
import numpy as np

from benchmarks.data import mnist


def main() -> None:
    """Answer each line of the standard input with the seconds of one evaluation."""
    dataset = mnist()
    images = dataset.real_values(dataset.input_arrays[""])
    labels = np.asarray(dataset.labels)
    model = keras.models.load_model(sys.argv[1])
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.evaluate(images, labels, batch_size=1024, verbose=0)
    for _ in sys.stdin:
        started = time.perf_counter()
        model.evaluate(images, labels, batch_size=1024, verbose=0)
        print(f"seconds {time.perf_counter() - started}", flush=True)


if __name__ == "__main__":
    main()
