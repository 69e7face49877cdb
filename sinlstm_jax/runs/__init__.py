"""A run on disk and what it survives: checkpoints, resuming, replicates, processes, progress."""
