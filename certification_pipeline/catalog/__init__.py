"""WHAT is certified: vocabulary, models and the YAML data. Knows nothing of how a claim is tested."""
