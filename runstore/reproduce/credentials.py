"""Credentials: which variable of the environment a service's key stands in, and which header carries it. None is ever stored.

A key goes only to the service that it belongs to: a host that is not in the table is given $RUNSTORE_API_KEY or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from runstore.capture.codecs.urls import read_url
from runstore.errors import InvalidInput

OWN = "RUNSTORE_API_KEY"
"""The variable for services that have no entry here."""

_BEARER = ("authorization", "Bearer ")
_HEADERS = {
    "anthropic.messages": ("x-api-key", ""),
    "gemini.generate": ("x-goog-api-key", ""),
}
# End of the host: header, what stands before the key, variable. Sources: the providers' pages on authentication, and their SDKs.
_HOSTS: tuple[tuple[str, tuple[str, str], str], ...] = (
    ("api.openai.com", _BEARER, "OPENAI_API_KEY"),
    (".openai.azure.com", ("api-key", ""), "AZURE_OPENAI_API_KEY"),
    (".cognitiveservices.azure.com", ("api-key", ""), "AZURE_OPENAI_API_KEY"),
    (".services.ai.azure.com", ("api-key", ""), "AZURE_OPENAI_API_KEY"),
    ("api.anthropic.com", ("x-api-key", ""), "ANTHROPIC_API_KEY"),
    ("generativelanguage.googleapis.com", ("x-goog-api-key", ""), "GEMINI_API_KEY"),
    ("aiplatform.googleapis.com", _BEARER, "GOOGLE_ACCESS_TOKEN"),
    (".amazonaws.com", _BEARER, "AWS_BEARER_TOKEN_BEDROCK"),
    ("api.mistral.ai", _BEARER, "MISTRAL_API_KEY"),
    ("api.cohere.com", _BEARER, "CO_API_KEY"),
    ("api.cohere.ai", _BEARER, "CO_API_KEY"),
    ("openrouter.ai", _BEARER, "OPENROUTER_API_KEY"),
    ("api.groq.com", _BEARER, "GROQ_API_KEY"),
    ("api.deepseek.com", _BEARER, "DEEPSEEK_API_KEY"),
    ("api.x.ai", _BEARER, "XAI_API_KEY"),
    ("api.together.xyz", _BEARER, "TOGETHER_API_KEY"),
    ("api.fireworks.ai", _BEARER, "FIREWORKS_API_KEY"),
    ("api.voyageai.com", _BEARER, "VOYAGE_API_KEY"),
    ("router.huggingface.co", _BEARER, "HF_TOKEN"),
)


class Credential(NamedTuple):
    """The header that carries a key, what stands before it there, the variable that holds it, and whether the service must have it."""

    header: str
    before: str
    variable: str
    needed: bool

    @property
    def placeholder(self) -> str:
        """The header's value with the variable in place of the key, as a shell reads it."""
        return f"{self.before}${self.variable}"


def credential_for(url: str, api: str, variable: str | None = None) -> Credential:
    """Return the credential of a call of an API. `variable` names another variable than the one that the service has here."""
    target = read_url(url)
    host = target.origin.partition("://")[2].partition(":")[0].lower()
    for end, (header, before), own in _HOSTS:
        if host == end or host.endswith((f".{end.lstrip('.')}", f"-{end}")):  # us-central1-aiplatform.googleapis.com
            return Credential(header, before, variable or own, True)
    header, before = _HEADERS.get(api, _BEARER)
    return Credential(header, before, variable or OWN, variable is not None)


def headers_with(credential: Credential, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the header that carries the key; none where there is no key and none is needed. Raises InvalidInput where one is."""
    key = environment.get(credential.variable)
    if key:
        return {credential.header: credential.before + key}
    if credential.needed:
        raise InvalidInput(
            f"${credential.variable} is not set, and the service wants a key",
            hint=f"export {credential.variable}=…, or name another variable with --key-from",
            kind="no-credential",
        )
    return {}
