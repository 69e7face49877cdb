"""Live samples: a forecaster that follows them, and CSV text in and out."""
