"""Integers of any size and strings with lone surrogates: the two scalars that MessagePack does not know.

An integer beyond 64 bits is written as its decimal digits, a string with a surrogate that has no partner as WTF-8. Both
directions are pure and need no change of the interpreter's limit on digits (sys.set_int_max_str_digits).
Source: docs/spec/identity.md, "Values".
"""

from __future__ import annotations

from runstore.errors import LimitExceeded, Refused
from runstore.model.limits import MAX_DIGITS

LEAST_INT = -(1 << 63)
MOST_INT = (1 << 64) - 1
SAFE_DIGITS = 512
"""Digits that int() and str() convert in any interpreter: the lowest limit that can be set is 640."""

_MAX_BITS = 217_706  # of 10**65,536; working it out takes longer than all the rest of starting up


def join_surrogates(text: str) -> str:
    """Join every high surrogate with a low one directly behind it into the character they mean."""
    if not has_surrogate(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def has_surrogate(text: str) -> bool:
    """True if a surrogate stands in the text, with or without a partner."""
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            return True
    return False


def text_from_wtf8(data: bytes) -> str:
    """Read WTF-8 bytes. Raises Refused for bytes that are none; whether the string needs them is for the caller to see."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise Refused(f"a string is not WTF-8 ({error.reason} at byte {error.start})", kind="bad-string") from error


def digits_of(number: int) -> bytes:
    """Return the decimal digits of an integer. Raises LimitExceeded above 65,536 of them, before converting."""
    if number.bit_length() > _MAX_BITS:
        raise LimitExceeded(f"an integer has more than {MAX_DIGITS:,} digits", kind="limit-exceeded")
    digits = _split(abs(number))
    if len(digits) > MAX_DIGITS:
        raise LimitExceeded(f"an integer has {len(digits):,} digits; the most is {MAX_DIGITS:,}", kind="limit-exceeded")
    return (f"-{digits}" if number < 0 else digits).encode("ascii")


def int_from_digits(digits: bytes) -> int:
    """Read the digits of an integer. Length and form are checked before anything is converted. Raises Refused."""
    length = len(digits) - digits.startswith(b"-")
    if length > MAX_DIGITS:
        raise Refused(f"an integer has {length:,} digits; the most is {MAX_DIGITS:,}", kind="limit-exceeded")
    if not digits.removeprefix(b"-").isdigit() or digits.removeprefix(b"-").startswith(b"0"):
        raise Refused("the digits of an integer are not -?[1-9][0-9]*", kind="bad-integer")
    return parse_digits(digits.decode("ascii"))


def parse_digits(digits: str) -> int:
    """Convert decimal digits, with a minus or without, of any number. The caller has checked form and length."""
    if digits.startswith("-"):
        return -parse_digits(digits[1:])
    if len(digits) <= SAFE_DIGITS:
        return int(digits)
    middle = len(digits) // 2
    power: int = 10**middle
    return parse_digits(digits[:-middle]) * power + parse_digits(digits[-middle:])


def _split(number: int) -> str:
    """Return the digits of a number that is not negative: halves, since str() refuses large numbers and takes quadratic time."""
    digits = int(number.bit_length() * 0.30103) + 1  # log10(2), rounded up: at most one digit too many
    if digits <= SAFE_DIGITS:
        return str(number)
    middle = digits // 2
    high, low = divmod(number, 10**middle)
    return _split(high) + _split(low).rjust(middle, "0")
