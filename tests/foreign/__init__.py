"""dpone's own artifacts as claims: real ones, and every forgery that dpone lets pass."""
