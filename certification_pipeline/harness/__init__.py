"""HOW a claim is tested: workload, services, engines, oracle, scenarios, and the runner that joins them."""
