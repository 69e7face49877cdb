"""Several processes, perhaps on several machines, that compute one run together."""

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from ..errors import InputError, positive_integer

JOIN_TIMEOUT = 300.0  # s that the processes have to find each other
HEARTBEAT_TIMEOUT = 30  # s, after which a process that is gone takes the others down


def join(coordinator: str | None, processes: int | None, index: int | None) -> None:
    """Make this process one of several, before JAX computes anything; with no arguments, do not.

    Args:
      coordinator: HOST:PORT at which the first process can be reached by all.
      processes: how many there are.
      index: which of them this is, from 0 on.

    Where they do not find each other within JOIN_TIMEOUT, the process ends with exit code 2.

    Raises:
      InputError: an argument is missing or does not fit.
    """
    given = {"--coordinator": coordinator, "--processes": processes, "--process-index": index}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return
    if coordinator is None or processes is None or index is None:
        raise InputError(f"{' and '.join(missing)} not given: give all of {', '.join(given)}")
    host, _, port = coordinator.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 2**16):
        raise InputError(f"--coordinator is {coordinator!r}: give HOST:PORT, such as 10.0.0.1:1234")
    positive_integer("--processes", processes)
    if not 0 <= index < processes:
        raise InputError(f"--process-index is {index}: give a number from 0 to {processes - 1}")
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM for itself
    # JAX itself aborts with a trace when its time is up, so ours is up before.
    giving_up = threading.Timer(JOIN_TIMEOUT, _give_up, (coordinator, processes))
    giving_up.daemon = True
    giving_up.start()
    try:
        jax.distributed.initialize(
            coordinator,
            processes,
            index,
            initialization_timeout=int(JOIN_TIMEOUT) + 60,
            cluster_detection_method="deactivate",
            heartbeat_timeout_seconds=HEARTBEAT_TIMEOUT,
        )
    finally:
        giving_up.cancel()


def _give_up(coordinator: str, processes: int) -> None:
    print(
        f"error: --coordinator is {coordinator!r}, where {processes} processes did not meet within "
        f"{JOIN_TIMEOUT:g} s: give an address of the first one that all reach, and start them all",
        file=sys.stderr,
        flush=True,
    )
    os._exit(2)


def largest(*values: float) -> list[float]:
    """Return the largest of each value over all processes, which all have to ask."""
    if jax.process_count() == 1:
        return list(values)
    return multihost_utils.process_allgather(np.array(values)).max(axis=0).tolist()


def is_first() -> bool:
    """Tell whether this is the process that prints and writes; alone, it is."""
    return jax.process_index() == 0


def from_first(decide: Callable[[], Any]) -> Any:
    """Return in every process what `decide` returns, or raise what it raises, in the first one.

    That is something JSON-ready, or an InputError.
    """
    if jax.process_count() == 1:
        return decide()
    outcome = {}
    if is_first():
        try:
            outcome["returned"] = decide()
        except InputError as error:
            outcome["raised"] = str(error)
    text = np.frombuffer(json.dumps(outcome).encode(), np.uint8)
    size = int(multihost_utils.broadcast_one_to_all(np.int32(text.size)))
    text = multihost_utils.broadcast_one_to_all(np.resize(text, size))
    outcome = json.loads(np.asarray(text).tobytes())
    if "raised" in outcome:
        raise InputError(outcome["raised"])
    return outcome["returned"]
