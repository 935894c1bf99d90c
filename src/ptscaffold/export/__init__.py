"""Templates for other engines."""
