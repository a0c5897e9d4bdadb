"""Comments in and out in bulk: other systems' exports in, our own exports out."""
