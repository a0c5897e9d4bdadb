"""Is it alive: heartbeats of the workers, and what is overdue."""
