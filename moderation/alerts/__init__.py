"""Telling the newsroom when something needs a person: late comments, a growing queue, failing deliveries, no scorer."""
