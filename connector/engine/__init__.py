"""How an event becomes writes: intake, enrichment, matching, runs, effects."""
