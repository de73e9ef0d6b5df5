"""The tests; `tests.helpers` holds what several files share."""
