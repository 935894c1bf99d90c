"""Projects on disk: made, compared, brought to another template."""
