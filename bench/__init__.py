"""Benchmarks: ratios of facelib to something else, measured side by side in one run. `python -m bench --help`."""
