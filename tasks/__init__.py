"""The tasks that come with apo, each a YAML or a Python file that `load_task` finds by its name."""
