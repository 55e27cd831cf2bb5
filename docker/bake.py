"""Makes the environments of the engines it is given, so that their first run in a new container need not."""

import sys

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.harness.engines.environment import EngineUnavailable, prepare


def _tell(said: str) -> None:
    sys.stderr.write(f"{said}\n")


def main(names: list[str]) -> int:
    """Exits 1 at the first engine that cannot be had: an image without it is not what was asked for."""
    catalog = load_catalog()
    for name in names:
        try:
            prepare(name, catalog.engine(name).driver, _tell)
        except KeyError:
            sys.stderr.write(
                f"ENGINES: there is no engine {name!r}; there are: {', '.join(catalog.engines)}\n"
            )
            return 2
        except EngineUnavailable as error:
            sys.stderr.write(f"ENGINES: {error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
