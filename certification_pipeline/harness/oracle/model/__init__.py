"""Reference models: the exact sink each strategy must yield, as SQL over the generated rounds.

Nothing here knows any engine or looks at any sink.
"""
