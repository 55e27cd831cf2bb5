"""Whether a driver keeps the engine protocol: asked in a real conversation, with a real load.

Says nothing about how well an engine moves data: that is certification. Knows drivers and benches; nothing of
plans, evidence or gates.
"""
