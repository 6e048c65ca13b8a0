"""`python -m vace_core` is the command `vace`."""

from .cli import main

if __name__ == "__main__":
    main()
