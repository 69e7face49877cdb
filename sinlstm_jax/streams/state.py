"""The state of a stream, as `Forecaster.state` returns it, read again."""

from collections.abc import Mapping

import numpy as np

from ..errors import InputError, shown
from ..lstm import LSTMCarry
from ..model import SineLSTM
from ..sensor import SensorLSTM
from ..signals.samples import real_numbers
from ..signals.signal import Scaling

MEASURED = (0.0, 0.0)  # the scaling of a stream whose windows are measured


def checked_state(state, model: SineLSTM) -> dict[str, np.ndarray]:
    """Return a state's entries as NumPy arrays, floats in the model's dtype, or raise InputError.

    What was seen of windows that are measured is in float64, NaN where a sample is missing.
    """
    hidden_size, dtype = model.hidden_size, model.output.kernel[...].dtype
    if not isinstance(state, Mapping):
        raise InputError(f"the state is {shown(state)}: give what Forecaster.state returned")
    names = {"hidden", "cell"} | ({"scaling"} & set(state))
    if "window" in state:
        names |= {"window", "recent"}
    if set(state) != names:
        found = shown(sorted(map(str, state)))
        raise InputError(f"the state has the entries {found}: give what Forecaster.state returned")
    arrays = {"scaling": np.array(Scaling())}
    given = real_numbers("scaling of the state", state.get("scaling", Scaling()))
    measures = isinstance(model, SensorLSTM) or tuple(given.ravel()) == MEASURED
    for name, value in state.items():
        if name == "window":
            arrays[name] = np.asarray(value)
            continue
        arrays[name] = real_numbers(f"{name} of the state", value)
        if name in LSTMCarry._fields or (name == "recent" and not measures):
            arrays[name] = arrays[name].astype(dtype)
        if not np.isfinite(arrays[name]).all() and not (measures and name == "recent"):
            raise InputError(f"{name} of the state holds values that are not finite")
    shape = arrays["hidden"].shape
    if len(shape) not in (1, 2) or shape[-1] != hidden_size or 0 in shape:
        raise InputError(
            f"hidden of the state has shape {shape}: this model takes [{hidden_size}] or "
            f"[batch, {hidden_size}]"
        )
    if arrays["cell"].shape != shape:
        raise InputError(
            f"cell of the state has shape {arrays['cell'].shape}: give {shape}, as hidden has"
        )
    if arrays["scaling"].shape != (2,):
        raise InputError(
            f"scaling of the state has shape {arrays['scaling'].shape}: give (mean, scale)"
        )
    if "recent" in arrays:
        if arrays["recent"].size == 0:  # JSON does not tell the shape of an empty list
            arrays["recent"] = np.empty((0, *shape[:-1]), dtype)
        recent = arrays["recent"].shape
        if not recent or recent[1:] != shape[:-1]:
            expected = "[time]" if len(shape) == 1 else f"[time, {shape[0]}]"
            raise InputError(f"recent of the state has shape {recent}: give {expected}")
    return arrays
