"""The replay family: earlier runs, rebuilt from their seed, done again and judged."""
