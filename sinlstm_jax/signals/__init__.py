"""What is learnt: signals as data, the tutorial's sine waves, and what counts as their samples."""
