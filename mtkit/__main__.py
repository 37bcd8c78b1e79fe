"""Entry point of `python -m mtkit`, which is the same as `mtkit`."""

from mtkit.cli.main import main

if __name__ == "__main__":
    main()
