"""Reader comment moderation: the house. Its doors are the web, the workers and the command line."""

__version__ = "0.1.0"
