"""The connector suite: run by the family in a process of its own, once per engine.

Every test is about one connector and one item of seed 000's checklist, and says so in its properties; what
it cannot test it skips with a reason and a remedy.
"""
