"""An installation is upgraded: Dagster's history and older evidence stay, and work goes on beside them."""
