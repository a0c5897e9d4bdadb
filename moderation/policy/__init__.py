"""What the machine proposes: per-site thresholds, rules and word lists, versioned; pure functions over values."""
