"""ptscaffold generates PyTorch projects from layers: a domain, a style and features.

Each command is a plain function that returns data, usable without the command line:

    from ptscaffold.project.new import Request, create
    result = create(Request(name="digits", domain="vision", style="lightning"))
"""

__version__ = "1.0.0"
