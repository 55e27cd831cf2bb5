"""What can be done to a load on purpose: each fault has a plan, a witness and a heal (DESIGN section 8)."""
