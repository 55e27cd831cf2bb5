"""The OpenLineage family: run registry, events and report, made from the cells' evidence of a release."""
