"""Options, progress and tables of `wb eval`."""

__all__: list[str] = []
