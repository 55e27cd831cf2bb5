"""Certify data connectors with evidence that a stranger can recompute.

Data flows one way: ``catalog -> harness -> families -> evidence -> gates -> report``;
``orchestration`` and ``cli`` sit on top and hold no logic of their own.
"""

__version__ = "0.1.0"
