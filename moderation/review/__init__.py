"""The human part: decisions, the queue of held comments, and undo."""
