"""``python -m prunescope`` is the command line."""

from prunescope.cli import main

if __name__ == "__main__":
    main()
