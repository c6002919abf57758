"""OpenTelemetry: the ids of a recorded call as attributes of the span that was current when it was made. Optional, and imported lazily."""

from __future__ import annotations

import functools
from typing import Any

from runstore.capture.entries import Seen

RUN, REQUEST = "runstore.run.id", "runstore.request.id"


@functools.cache
def _trace() -> Any:
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace


def current_span() -> Any:
    """Return the current span, if there is one that records; else None."""
    trace = _trace()
    if trace is None:
        return None
    span = trace.get_current_span()
    return span if span.is_recording() else None


def mark(span: Any, seen: Seen) -> None:
    """Set the ids of a call on a span. They are computed here, which costs what decoding costs."""
    from runstore.capture.drain import assembled

    made = assembled(seen)
    if made is not None and span.is_recording():
        span.set_attribute(RUN, made.run.id.hex())
        span.set_attribute(REQUEST, made.run.request_id.hex())
