"""The evidence families: each turns work of the harness into artifacts."""
