"""A fused LSTM layer for CPU in C++, compiled on first use; elsewhere, the plain scan."""
