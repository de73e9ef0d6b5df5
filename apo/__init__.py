"""apo finds the best prompt for a task by search."""

__version__ = "0.1.0"
