"""The room's scenarios, each red for an engine of these tests that is wrong (law 1)."""

EXPLORED = ("rec.crash_points", "rec.partial_replace", "deliv.exactly_once")
