"""Detectors and encoders behind two small protocols, chosen by name. Models load at first use."""

from __future__ import annotations

from facelib.engines.base import Detected, Detector, Encoder, Engine, Landmarker
from facelib.engines.registry import detector_key, load

__all__ = ["Detected", "Detector", "Encoder", "Engine", "Landmarker", "detector_key", "load"]
