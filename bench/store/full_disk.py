"""Telling a full disk from a failed trial."""

import errno
import os

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def raise_if_of_storage(error: BaseException) -> None:
    """Raise an OSError in one line if an error, or what caused it, is of a full or read-only disk.

    Libraries that write files report such errors under types of their own, with the system's words.
    """
    cause: BaseException | None = error
    while cause is not None:
        number = cause.errno if isinstance(cause, OSError) else None
        words = str(cause)
        for code in FULL:
            if number == code or os.strerror(code).lower() in words.lower():
                raise OSError(
                    code, f"{os.strerror(code)}; what is finished is kept: make room and give the same command"
                ) from None
        cause = cause.__cause__ or cause.__context__
