"""What scripts/reliability.py tries to break, one kind of trial a module."""
