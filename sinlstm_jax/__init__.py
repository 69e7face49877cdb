"""An LSTM that continues sine waves: the PyTorch tutorial, in JAX and Flax."""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .public import *  # noqa: F403

    __version__: str


class _Package(ModuleType):
    """This package: what public.py offers is imported when the first of it is asked for.

    It brings JAX, which takes a second to import, and the command line often does without.
    """

    def __getattr__(self, name: str):
        if name == "__version__":  # of what is installed; pyproject.toml tells it
            from importlib import metadata  # which takes as long to import as all the rest

            self.__version__ = metadata.version(__name__)
            return self.__version__
        public = importlib.import_module(".public", __name__)
        for each in ("__all__", *public.__all__):
            setattr(self, each, getattr(public, each))
        try:
            return vars(self)[name]  # of it, or a module that was imported along with it
        except KeyError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *self.__all__})

    def __setattr__(self, name: str, value) -> None:
        # Python has each module that it imports be an attribute of its package, but our `rollout`
        # is the function, and not the module that it is in.
        if name == "rollout" and isinstance(value, ModuleType):
            value = value.rollout
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
