"""Detectors and encoders behind two small protocols (`base`), chosen by name (`registry`). Models load at first use."""
