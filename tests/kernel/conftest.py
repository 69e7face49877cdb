"""What the kernel's tests share."""

import logging

import pytest

from sinlstm_jax.kernel import layer


@pytest.fixture
def said(caplog):
    """What is said in the log in this test, as if nothing had been said before."""
    layer.say_once.cache_clear()
    caplog.set_level(logging.INFO, "sinlstm_jax")
    return lambda: caplog.messages
