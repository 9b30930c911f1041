"""python -m workbench: the command `wb`."""

from workbench.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
