"""Every false green that was found in dpone 0.88: each is played here and ends red. One file a number."""
