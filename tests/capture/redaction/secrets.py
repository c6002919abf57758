"""Made-up secrets, one or more of each kind that the rules know. None of them was ever in use."""

from __future__ import annotations

import random
import string

_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_URL = _ALNUM + "-_"


def _made(seed: str, size: int, alphabet: str = _ALNUM) -> str:
    chosen = random.Random(seed)  # the same in every process
    return "".join(chosen.choice(alphabet) for _ in range(size - 2)) + "a7"


def _secrets() -> dict[str, str]:
    m = _made
    return {
        "anthropic-api-key": "sk-ant-api03-" + m("a", 93) + "AA",
        "openrouter-api-key": "sk-or-v1-" + m("b", 64, _HEX),
        "langfuse-secret-key": "sk-lf-" + m("c", 36, _HEX + "-"),
        "openai-api-key": "sk-proj-" + m("d", 74) + "T3BlbkFJ" + m("d2", 74),
        "google-api-key": "AIza" + m("e", 35),
        "huggingface-token": "hf_" + m("f", 34),
        "replicate-token": "r8_" + m("g", 37),
        "groq-api-key": "gsk_" + m("h", 52),
        "xai-api-key": "xai-" + m("i", 80),
        "perplexity-api-key": "pplx-" + m("j", 48),
        "tavily-api-key": "tvly-dev-" + m("k", 32),
        "langsmith-api-key": "lsv2_pt_" + m("l", 32, _HEX) + "_" + m("l2", 10, _HEX),
        "pinecone-api-key": "pcsk_" + m("m", 6) + "_" + m("m2", 60),
        "nvidia-api-key": "nvapi-" + m("n", 64),
        "cerebras-api-key": "csk-" + m("o", 48, string.ascii_lowercase + string.digits),
        "databricks-token": "dapi" + m("p", 32, _HEX),
        "aws-access-key-id": "AKIA" + "".join(random.Random("q").choices(_BASE32, k=16)),
        "google-oauth-token": "ya29." + m("r", 100, _URL),
        "google-oauth-secret": "GOCSPX-" + m("s", 28),
        "azure-client-secret": "abc8Q~" + m("t", 34),
        "azure-storage-key": "AccountKey=" + m("u", 86) + "==",
        "alibaba-access-key": "LTAI" + m("v", 20),
        "digitalocean-token": "dop_v1_" + m("w", 64, _HEX),
        "cloudflare-origin-key": "v1.0-" + m("x", 24, _HEX) + "-" + m("x2", 146, _HEX),
        "fly-token": "fo1_" + m("y", 43),
        "supabase-token": "sbp_" + m("z", 40, _HEX),
        "planetscale-token": "pscale_tkn_" + m("A", 43),
        "heroku-key": "HRKU-" + m("B", 60),
        "vault-token": "hvs." + m("C", 90),
        "terraform-token": m("D", 14) + ".atlasv1." + m("D2", 67),
        "pulumi-token": "pul-" + m("E", 40, _HEX),
        "doppler-token": "dp.pt." + m("F", 43),
        "github-token": "ghp_" + m("G", 36),
        "github-fine-grained-token": "github_pat_" + m("H", 22) + "_" + m("H2", 59),
        "gitlab-token": "glpat-" + m("I", 20),
        "npm-token": "npm_" + m("J", 36),
        "pypi-token": "pypi-AgEIcHlwaS5vcmc" + m("K", 130),
        "rubygems-token": "rubygems_" + m("L", 48, _HEX),
        "docker-token": "dckr_pat_" + m("M", 27),
        "postman-key": "PMAK-" + m("N", 24, _HEX) + "-" + m("N2", 34, _HEX),
        "grafana-token": "glsa_" + m("O", 32) + "_" + m("O2", 8, _HEX),
        "new-relic-key": "NRAK-" + m("P", 27),
        "sentry-token": "sntrys_" + m("Q", 120),
        "dynatrace-token": "dt0c01." + m("R", 24, _BASE32).upper() + "." + m("R2", 64, _BASE32).upper(),
        "artifactory-key": "AKCp" + m("S", 69),
        "slack-token": "xoxb-123456789012-1234567890123-" + m("T", 24),
        "slack-webhook": "hooks.slack.com/services/T01ABCDEF/B01ABCDEF/" + m("U", 24),
        "discord-webhook": "discord.com/api/webhooks/123456789012345678/" + m("V", 68),
        "stripe-key": "sk_live_" + m("W", 24),
        "square-token": "sq0atp-" + m("X", 22),
        "shopify-token": "shpat_" + m("Y", 32, _HEX),
        "sendgrid-key": "SG." + m("Z", 22) + "." + m("Z2", 43),
        "sendinblue-key": "xkeysib-" + m("aa", 64, _HEX) + "-" + m("aa2", 16),
        "mailgun-key": "key-" + m("ab", 32, _HEX),
        "mailchimp-key": m("ac", 32, _HEX) + "-us12",
        "twilio-key": "SK" + m("ad", 32, _HEX),
        "telegram-token": "123456789:AA" + m("ae", 33),
        "linear-key": "lin_api_" + m("af", 40),
        "notion-token": "ntn_12345678901" + m("ag", 35),
        "figma-token": "figd_" + m("ah", 43),
        "airtable-token": "pat" + m("ai", 14) + "." + m("ai2", 64, _HEX),
        "atlassian-token": "ATATT3" + m("aj", 186),
        "asana-token": "1/1234567890123456:" + m("ak", 32, _HEX),
        "facebook-token": "EAAC" + m("al", 120),
        "age-secret-key": "AGE-SECRET-KEY-1" + "".join(random.Random("am").choices("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", k=58)),
        "json-web-token": "eyJ" + m("an", 30) + ".eyJ" + m("an2", 60) + "." + m("an3", 43),
    }


TOKENS = _secrets()
"""Secrets of one word, which can stand in a header, a URL or a body, by the rule that finds them."""

_KEY_LINES = "\n".join(_made(f"pem{number}", 64) for number in range(8))
PRIVATE_KEY = f"-----BEGIN PRIVATE KEY-----\n{_KEY_LINES}\n-----END PRIVATE KEY-----"

PHRASES = {
    "password-in-url": ("postgres://app:{}@db.example.org/main", _made("ap", 18)),
    "authorization": ("curl -H 'Authorization: Bearer {}'", _made("aq", 40)),
    "secret-assignment": ('AWS_SECRET_ACCESS_KEY = "{}"', _made("ar", 40)),
}
"""Secrets that only what stands around them tells: the text with a hole, and the secret."""
