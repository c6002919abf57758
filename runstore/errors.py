"""The exceptions of runstore, grouped by what a caller would do about them.

Every error names the thing, the fact and, where there is one, the next step (`hint`). `kind` is a stable short code: codes are
added, never changed. The command line maps the classes to exit codes (docs/exit-codes.md).
"""

from __future__ import annotations


class RunstoreError(Exception):
    """Base of every error that runstore raises on purpose."""

    kind = "error"

    def __init__(self, message: str, *, hint: str | None = None, kind: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if kind is not None:
            self.kind = kind


class InvalidInput(RunstoreError, ValueError):
    """What was given cannot become an object, a name or a query: mend the input. Nothing was stored."""

    kind = "invalid-input"


class LimitExceeded(InvalidInput):
    """The input is well formed and larger or deeper than format 1 allows (docs/spec/identity.md, Limits)."""

    kind = "limit-exceeded"


class NotFound(RunstoreError, LookupError):
    """The thing that was named is not here: name another, or bring it."""

    kind = "not-found"


class NoStore(NotFound):
    """There is no store at the place named, or none was found upward from the working directory."""

    kind = "no-store"


class Ambiguous(RunstoreError, LookupError):
    """The name fits several things. `candidates` lists them as (`kind:hex`, first line)."""

    kind = "ambiguous"

    def __init__(self, message: str, *, candidates: list[tuple[str, str]], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.candidates = candidates


class Conflict(RunstoreError):
    """Somebody else was faster: a compare-and-swap found another value. Read again and retry."""

    kind = "conflict"


class Busy(Conflict):
    """A lock was not free within the time allowed. Try again later."""

    kind = "busy"


class Incomplete(RunstoreError):
    """The composition has slots that are unknown or lead outside the store."""

    kind = "incomplete"


class NotRecorded(NotFound):
    """No recorded execution answers this request."""

    kind = "not-recorded"


class Damaged(RunstoreError):
    """Stored bytes are not what they claim to be. Nothing was returned in their place; `runstore fsck` tells the extent."""

    kind = "damaged"


class Refused(RunstoreError):
    """Input from elsewhere, or a store of a newer format, breaks a rule of this version. Nothing was stored."""

    kind = "refused"


class Unavailable(RunstoreError, OSError):
    """The system says no: disk full, read-only, no permission. What was acknowledged before stands."""

    kind = "unavailable"


class Closed(RunstoreError):
    """The store or transaction was used after it was closed."""

    kind = "closed"
