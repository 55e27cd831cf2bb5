"""Other tools' artifacts: read as claims, by models of what those tools were measured to write.

Nothing here decides anything: what can be recomputed of a claim is for ``gates/foreign``.
"""
