"""The rules: what a secret of each kind looks like.

A pattern begins at one of its keywords, or at most `back` characters before it, so that no pattern is ever tried where its keyword does not
stand. What is matched, or its first group, is masked.
The facts (prefixes, alphabets, lengths) come from the providers' documentation and from public rule sets: gitleaks (config/gitleaks.toml),
detect-secrets (plugins) and GitHub's list of secret scanning patterns. The patterns are our own; lengths are taken as "at least" so that
nothing of a longer token stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from math import log2
from typing import NamedTuple

Accept = Callable[[str], bool]


class Rule(NamedTuple):
    """One kind of secret. `loose`: the keyword may stand in a short word, or in any case. `accept` has the last word on a match.
    `stems`: each keyword holds one of them, and is looked for only where that stands.
    """

    name: str
    keywords: tuple[str, ...]
    pattern: str
    back: int = 0
    loose: bool = False
    accept: Accept | None = None
    stems: tuple[str, ...] = ()

    def compiled(self) -> re.Pattern[str]:
        """Return the pattern, compiled when it is first needed: that costs a millisecond, and most programs need none."""
        return _compiled(self.pattern)


_compiled = lru_cache(maxsize=None)(re.compile)


# Not inside a word, nor in a long stretch of base64; what an escape (`\n`) ends in is no part of either.
_EDGE = r"(?:(?<![A-Za-z0-9])(?<![A-Za-z0-9+/_-]{400}[+/_-])|(?<=\\[nrtbf]))"
_WORD = "-A-Za-z0-9_"


def _token(name: str, keywords: str, tail: str, *, accept: Accept | None = None) -> Rule:
    """Return the rule for tokens that have a prefix of their own."""
    words = tuple(keywords.split())
    heads = "|".join(re.escape(word) for word in words)
    return Rule(name, words, f"{_EDGE}(?:{heads}){tail}", accept=accept)


def has_digit(text: str) -> bool:
    """True for what is no plain word."""
    return any(char.isdigit() for char in text)


def is_random(text: str) -> bool:
    """True for a value that nobody reads: letters and digits, 12 characters or more, of an entropy above 3 bits a character."""
    if len(text) < 12 or not has_digit(text) or not any(char.isalpha() for char in text):
        return False
    counts = [text.count(char) / len(text) for char in set(text)]
    return -sum(share * log2(share) for share in counts) > 3.0


def _is_password(text: str) -> bool:
    return not (text.startswith(("$", "{", "<", "%", "[redacted")) or set(text) <= {"*", "x", "X", "."})


_NAMES = (
    "password", "passwd", "passphrase", "secret", "api_key", "api-key", "apikey", "access_key", "access-key", "accesskey", "private_key",
    "access_token", "access-token", "auth_token", "auth-token", "refresh_token", "client_secret", "signing_key", "encryption_key",
)  # fmt: skip

RULES: tuple[Rule, ...] = (
    # Models and what surrounds them
    _token("anthropic-api-key", "sk-ant-", rf"[{_WORD}]{{20,}}"),
    _token("openrouter-api-key", "sk-or-", rf"[{_WORD}]{{20,}}"),
    _token("langfuse-secret-key", "sk-lf-", rf"[{_WORD}]{{20,}}"),
    _token("openai-api-key", "sk-", rf"[{_WORD}]{{20,}}", accept=has_digit),
    _token("google-api-key", "AIza", rf"[{_WORD}]{{35,}}"),
    _token("huggingface-token", "hf_ api_org_", r"[A-Za-z0-9]{30,}"),
    _token("replicate-token", "r8_", r"[A-Za-z0-9]{36,}"),
    _token("groq-api-key", "gsk_", r"[A-Za-z0-9]{40,}"),
    _token("xai-api-key", "xai-", r"[A-Za-z0-9]{60,}"),
    _token("perplexity-api-key", "pplx-", r"[A-Za-z0-9]{40,}"),
    _token("tavily-api-key", "tvly-", rf"[{_WORD}]{{20,}}", accept=has_digit),
    _token("langsmith-api-key", "lsv2_pt_ lsv2_sk_", r"[A-Za-z0-9_]{32,}"),
    _token("pinecone-api-key", "pcsk_", r"[A-Za-z0-9_]{40,}"),
    _token("nvidia-api-key", "nvapi-", rf"[{_WORD}]{{40,}}"),
    _token("cerebras-api-key", "csk-", r"[a-z0-9]{40,}"),
    _token("databricks-token", "dapi", r"[a-f0-9]{32}(?:-\d)?"),
    # Clouds
    _token("aws-access-key-id", "AKIA ASIA ABIA ACCA", r"[A-Z2-7]{16}(?![A-Za-z0-9])"),
    _token("google-oauth-token", "ya29.", rf"[{_WORD}]{{30,}}"),
    _token("google-oauth-secret", "GOCSPX-", rf"[{_WORD}]{{24,}}"),
    Rule(
        "azure-client-secret",
        ("Q~",),
        r"(?:(?<![A-Za-z0-9_~.-])|(?<=\\[nrtbf]))[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31,34}",
        back=4,
        loose=True,
    ),
    Rule("azure-storage-key", ("AccountKey=", "SharedAccessKey="), r"(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{40,}={0,2})"),
    _token("alibaba-access-key", "LTAI", r"[A-Za-z0-9]{16,}", accept=has_digit),
    _token("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", r"[a-f0-9]{64}"),
    _token("cloudflare-origin-key", "v1.0-", r"[a-f0-9]{24}-[a-f0-9]{140,}"),
    _token("fly-token", "fo1_", rf"[{_WORD}]{{40,}}"),
    _token("fly-token", "fm1r_ fm1a_ fm2_", r"[A-Za-z0-9+/]{80,}={0,3}"),
    _token("supabase-token", "sbp_ sb_secret_", r"[A-Za-z0-9_-]{30,}"),
    _token("planetscale-token", "pscale_tkn_ pscale_oauth_ pscale_pw_", r"[A-Za-z0-9_=.-]{32,}"),
    _token("heroku-key", "HRKU-", rf"[{_WORD}]{{36,}}"),
    _token("vault-token", "hvs. hvb. hvr.", rf"[{_WORD}]{{24,}}"),
    _token("terraform-token", "atlasv1.", rf"[{_WORD}=]{{40,}}"),
    _token("pulumi-token", "pul-", r"[a-f0-9]{40}"),
    _token("doppler-token", "dp.pt. dp.st. dp.ct. dp.sa.", r"[A-Za-z0-9._-]{40,}"),
    # Code and its tools
    _token("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", r"[A-Za-z0-9]{36,}"),
    _token("github-fine-grained-token", "github_pat_", r"[A-Za-z0-9_]{40,}"),
    _token("gitlab-token", "glpat- glptt- gldt- glrt- glcbt- gloas- glsoat- glft- glimt- GR1348941", rf"[{_WORD}.]{{20,}}"),
    _token("npm-token", "npm_", r"[A-Za-z0-9]{36,}"),
    _token("pypi-token", "pypi-AgE", rf"[{_WORD}]{{50,}}"),
    _token("rubygems-token", "rubygems_", r"[a-f0-9]{48}"),
    _token("docker-token", "dckr_pat_ dckr_oat_", rf"[{_WORD}]{{27,}}"),
    _token("postman-key", "PMAK-", r"[a-f0-9]{24}-[a-f0-9]{34}"),
    _token("grafana-token", "glsa_", r"[A-Za-z0-9_]{32,}"),
    _token("grafana-token", "glc_eyJ", r"[A-Za-z0-9+/]{32,}={0,3}"),
    _token("new-relic-key", "NRAK- NRII- NRJS-", r"[A-Za-z0-9-]{19,}"),
    _token("sentry-token", "sntrys_ sntryu_", r"[A-Za-z0-9_+=]{40,}"),
    _token("dynatrace-token", "dt0c01. dt0s16.", r"[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    _token("artifactory-key", "AKCp", r"[A-Za-z0-9]{60,}"),
    # Services
    _token("slack-token", "xoxb- xoxp- xoxa- xoxr- xoxs- xoxe. xapp-", r"[A-Za-z0-9.-]{10,}", accept=has_digit),
    _token("slack-webhook", "hooks.slack.com/", r"(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,}"),
    _token("discord-webhook", "discord.com/api/webhooks/ discordapp.com/api/webhooks/", rf"\d{{17,20}}/[{_WORD}]{{60,}}"),
    _token("teams-webhook", "webhook.office.com/webhookb2/", r"[A-Za-z0-9@/-]{80,}"),
    _token("stripe-key", "sk_live_ sk_test_ rk_live_ rk_test_", r"[A-Za-z0-9]{16,}"),
    _token("stripe-key", "whsec_", r"[A-Za-z0-9+/]{30,}={0,2}"),
    _token("square-token", "sq0atp- sq0csp- EAAA", rf"[{_WORD}]{{22,}}", accept=has_digit),
    _token("shopify-token", "shpat_ shpca_ shppa_ shpss_", r"[a-fA-F0-9]{32}"),
    _token("sendgrid-key", "SG.", rf"[{_WORD}]{{16,}}\.[{_WORD}]{{32,}}"),
    _token("sendinblue-key", "xkeysib-", r"[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    _token("mailgun-key", "key-", r"[a-f0-9]{32}(?![A-Za-z0-9])"),
    Rule("mailchimp-key", ("-us",), _EDGE + r"[a-f0-9]{32}-us\d{1,2}(?!\d)", back=32),
    _token("twilio-key", "SK AC", r"[a-f0-9]{32}(?![A-Za-z0-9])"),
    Rule("telegram-token", (":AA",), rf"(?<!\d)\d{{8,10}}:AA[{_WORD}]{{32,}}", back=10),
    _token("linear-key", "lin_api_ lin_oauth_", r"[A-Za-z0-9]{40,}"),
    _token("notion-token", "ntn_", r"[A-Za-z0-9]{40,}"),
    _token("figma-token", "figd_", rf"[{_WORD}]{{40,}}"),
    _token("airtable-token", "pat", r"[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    _token("atlassian-token", "ATATT3 ATCTT3", rf"[{_WORD}=]{{100,}}"),
    _token("asana-token", "1/", r"\d{16}:[a-f0-9]{32}"),
    _token("facebook-token", "EAAC EAAM", r"[A-Za-z0-9]{90,}"),
    _token("1password-token", "ops_eyJ", r"[A-Za-z0-9+/]{200,}={0,3}"),
    _token("age-secret-key", "AGE-SECRET-KEY-1", r"[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
    # Of no one service
    Rule(
        "private-key",
        ("-----BEGIN",),
        # A key has no quotes in it: whatever lies between two strings of JSON is none. One that is cut off is masked as far as it goes.
        (
            r"-----BEGIN[ A-Z0-9_-]{0,60}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:[^\"'<>{}]{10,20000}?-----END[ A-Z0-9_-]{0,60}-----|(?:[A-Za-z0-9+/=:,\s-]|\\+[nr]){0,20000})"
        ),
        loose=True,
    ),
    Rule("json-web-token", ("eyJ",), rf"{_EDGE}eyJ[{_WORD}]{{10,}}\.eyJ[{_WORD}]{{10,}}\.[{_WORD}]{{10,}}"),
    Rule(
        "password-in-url",
        ("://",),
        r"://[^\s/?#@:\"'<>\\]{0,80}:((?:[^\s/?#@\"'<>\\]|\\.){3,200})@[A-Za-z0-9.\[-]",
        loose=True,
        accept=_is_password,
    ),
    Rule(
        "authorization",
        ("bearer", "basic", "authorization"),
        (
            r"(?i)(?:(?<![A-Za-z])(?:bearer|basic)|authorization[\"'\\]{0,4}\s{0,3}[:=]\s{0,3}[\"'\\]{0,4}(?:token|apikey|key)?)\s{1,3}"
            r"([A-Za-z0-9._~+/-]{12,}={0,2})"
        ),
        loose=True,
        accept=is_random,
    ),
    Rule(
        "secret-assignment",
        _NAMES,
        (
            rf"(?i)(?:{'|'.join(map(re.escape, _NAMES))})[A-Za-z0-9_-]{{0,20}}[\"'\\\]]{{0,4}}\s{{0,4}}(?::=|=>|[:=])"
            r"\s{0,4}[\"'\\]{0,4}"
            r"((?:[^\s\"'\\,;&<>(){}\[\]]|\\[\\/u]){12,512})"
        ),
        loose=True,
        accept=is_random,
        stems=("passw", "passphrase", "secret", "key", "_token", "-token"),
    ),
)
"""Every rule, the more specific ones first."""


def custom(name: str, pattern: str) -> Rule:
    """Return a rule of a user's own: a regular expression, tried everywhere. Raises re.error."""
    re.compile(pattern)
    return Rule(name, (), pattern)
