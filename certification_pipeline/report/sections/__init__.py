"""One section of the HTML report for each evidence family: an artifact in, what the template shows out.

Pure functions over artifacts. Numbers are the artifact's own, rounded for reading; nothing is decided here.
"""
