"""A fused LSTM layer for CPU in C++, compiled on first use; elsewhere, the plain scan."""

from .layer import fused_lstm, fused_predict
from .library import MAX_HIDDEN_SIZE, NativeUnavailable, load

__all__ = ["MAX_HIDDEN_SIZE", "NativeUnavailable", "fused_lstm", "fused_predict", "load"]
