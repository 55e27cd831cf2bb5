"""dpone's claims, recomputed. One file a family of artifacts; ``examine`` brings them together."""
