"""The ten strategies as declarative plans: what to read, which set-based statements to run.

Plans are text over a dialect; they hold no connection and run nothing.
"""
