"""What was said: stories, authors, comments and their revisions; how they come in and how they are read."""
