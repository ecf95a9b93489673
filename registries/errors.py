"""The one error that reaches a user as a single line."""


class RequestError(Exception):
    """A request that cannot be carried out: one line with what is wrong, where, and what would do.

    The command line prints the message and exits with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
