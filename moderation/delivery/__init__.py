"""Telling the site: the outbox, its attempts, and the one function through which requests leave this house."""
