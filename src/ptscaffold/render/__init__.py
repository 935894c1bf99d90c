"""From answers and layers to files, in memory."""
