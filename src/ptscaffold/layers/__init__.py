"""The folders that a project is made of, wherever they come from."""
