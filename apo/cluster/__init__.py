"""Runs on a Ray cluster: scheduling.py sends them out, away.py does one, home.py keeps what comes back."""
