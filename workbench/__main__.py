"""python -m workbench: the command `wb`."""

from workbench.cli import main

if __name__ == "__main__":
    main()
