"""Evidence over HTTP, read only: what may be read, how it is sent, and the pages that list it.

Knows nothing of Dagster; ``orchestration/web.py`` puts it beside Dagster's own pages.
"""
