"""The independent judge: what each strategy must yield, and the comparison.

Never imports the reference engine.
"""
