"""The one room that knows the `.tflite` format: what a file holds as plain records, read and written."""
