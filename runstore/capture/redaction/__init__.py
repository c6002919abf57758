"""Redaction: secrets are masked before anything is hashed or written, and the places are told.

A `Redactor` is what the recorder, the proxy and the importers call with each exchange before it is decoded. It never changes what goes
over the wire. Credentials in headers and query keys need no redaction: what is on no list is dropped (codecs/urls.py).
Source: docs/how-to/redact-secrets.md, docs/design/0009-redaction.md.
"""

from __future__ import annotations

from runstore.capture.redaction.redactor import Hook, Redactor
from runstore.capture.redaction.rules import RULES, Rule, custom
from runstore.capture.redaction.scan import Scanner

__all__ = ["RULES", "Hook", "Redactor", "Rule", "Scanner", "custom"]
