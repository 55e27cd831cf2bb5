"""What can be recomputed of other tools' claims; what cannot is never passed."""
