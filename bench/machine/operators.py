"""How many operations torch dispatches: on a GPU each is launched by the host, which small ones keep waiting."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts while it is entered, backward passes included.

    Attributes
    ----------
    all : int
        Operations dispatched.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.all = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Sequence[Any] = (), named: Mapping[str, Any] | None = None
    ) -> Any:
        """Count one and carry it out."""
        self.all += 1
        return function(*arguments, **(named or {}))
