"""What scripts/trials tries to break, one kind of trial a module."""
