"""Whether templates, projects and machines work."""
