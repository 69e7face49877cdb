"""Models for other programs: PyTorch's weights, safetensors, and exported computations."""
