"""Run the command line with `python -m ptscaffold`."""

from ptscaffold.cli.app import main

if __name__ == "__main__":
    main()
