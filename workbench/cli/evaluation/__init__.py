"""What `wb eval` shows, draws and records."""

__all__: list[str] = []
