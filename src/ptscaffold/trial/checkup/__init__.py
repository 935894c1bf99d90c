"""What `ptscaffold doctor` runs in the Python of a project, without the rest of ptscaffold."""
