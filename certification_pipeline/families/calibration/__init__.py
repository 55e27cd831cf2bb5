"""The calibration of the bench, as a release rests on it."""
