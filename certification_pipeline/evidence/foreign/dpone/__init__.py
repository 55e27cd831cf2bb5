"""dpone 0.88's artifacts: their names and shapes, as its commands were measured to write them."""

MEASURED = "0.88.0"
