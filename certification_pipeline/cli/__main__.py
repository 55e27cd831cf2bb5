"""``python -m certification_pipeline.cli``."""

from certification_pipeline.cli import main

main()
