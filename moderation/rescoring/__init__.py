"""Judging the archive again: runs in batches, the report of what would change, and applying chosen changes.

Scores are added, never overwritten; a person's decision is reported, never touched; nothing changes until somebody
applies chosen movements.
"""
