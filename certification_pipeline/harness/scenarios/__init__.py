"""Workload x disruption -> judgements; one readable function a scenario."""
