r"""Redaction as a store's settings and the command line choose it.

[capture]
redact = "mask"             # or "refuse"; "off" unless stated

[capture.patterns]
customer-number = 'CUST-\d{6}'
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from runstore.capture.redaction.redactor import Redactor
from runstore.capture.redaction.rules import RULES, custom
from runstore.errors import InvalidInput
from runstore.query.near import near_hint

OFF, MASK, REFUSE = "off", "mask", "refuse"
_KEYS = ("redact", "patterns")


def configured(settings: Mapping[str, Any], choice: str | None = None) -> Redactor | None:
    """Return the redactor that the table `[capture]` of a store's settings asks for, None if it asks for none.

    `choice` (`off`, `mask` or `refuse`) goes before what the settings say; their patterns hold in any case. Raises InvalidInput.
    """
    for key in settings:
        if key not in _KEYS:  # whoever misspells `redact` believes that secrets are masked
            raise InvalidInput(
                f"capture.{key} is no setting",
                hint=near_hint(key, _KEYS, "settings of capture are redact and patterns"),
                kind="bad-settings",
            )
    stated = settings.get("redact", OFF)
    mode = choice or {True: MASK, False: OFF}.get(stated, stated)
    if mode not in (OFF, MASK, REFUSE):
        raise InvalidInput(f"capture.redact is {stated!r}", hint='write "off", "mask" or "refuse"', kind="bad-settings")
    if mode == OFF:
        return None
    own = []
    for name, pattern in (settings.get("patterns") or {}).items():
        try:
            own.append(custom(name, pattern))
        except re.error as error:
            raise InvalidInput(f"capture.patterns.{name} is no regular expression: {error}", kind="bad-settings") from error
    return Redactor(rules=(*own, *RULES), refuse=mode == REFUSE)
