"""What a signal is: data that says what a network learns to continue; described without JAX."""

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import jax

SAMPLING_RATE = 100  # Hz, the tutorial's
NO_INPUT = -2.0  # what the network is fed where there is nothing to observe


@runtime_checkable
class Signal(Protocol):
    """What a network learns to continue: how windows are drawn, and what is true of them.

    A pytree: a frozen dataclass under `jax.tree_util.register_static`, or `register_dataclass` with
    arrays as data fields. What is static is part of a compiled program, and arrays are not: other
    arrays of the same shapes compile nothing.
    """

    def draw(self, key: "jax.Array", batch_size: int) -> Any:
        """Draw what tells the windows of a batch apart, leaves `[batch, ...]`."""
        ...

    def values(self, drawn, steps: int) -> "jax.Array":
        """Return how such windows go, from their first step on, `[steps, batch]` in float32."""
        ...
