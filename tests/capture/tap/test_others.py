"""The tap beside those who patch the same methods: put on before it or after, and taken off in another order."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runstore.capture.tap import httpx_clients, patches
from runstore.capture.tap.active import in_force
from runstore.capture.tap.handler import Call, Turn

pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("botocore", reason="botocore is not installed")

import botocore.httpsession
import httpx
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict

URL = "http://service.example/v1/chat/completions"
Method = Callable[..., Any]


class Counting(Turn):
    """A handler that watches every call, and lets it go."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def start(self, call: Call) -> Turn:
        self.calls.append(call)
        return self


def post() -> None:
    """Send a request with httpx."""
    with httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200))) as client:
        assert client.post(URL, json={}).status_code == 200


def send() -> None:
    """Send a request with botocore."""
    request = AWSPreparedRequest("POST", URL, HeadersDict(), b"{}", stream_output=False)
    assert botocore.httpsession.URLLib3Session().send(request).status_code == 200


def answer(self: Any, request: Any) -> Any:
    """Answer as the service would, in the place of botocore's own method."""
    made = AWSResponse(request.url, 200, HeadersDict(), None)
    made._content = b"{}"
    return made


@pytest.fixture(params=["httpx", "botocore"])
def tapped(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[type, str, Callable[[], None]]]:
    """A class that is tapped, the method, and how it is called."""
    monkeypatch.setattr(botocore.httpsession.URLLib3Session, "send", answer)
    found: tuple[type, str, Callable[[], None]]
    found = (httpx.Client, httpx_clients.METHOD, post) if request.param == "httpx" else (botocore.httpsession.URLLib3Session, "send", send)
    with monkeypatch.context() as patch:
        patch.setattr(*found[:2], getattr(*found[:2]))  # put back in the end, whoever is last
        yield found
    patches.remove()


def plain(below: Method) -> Method:
    """Patch as many do: a function that calls the one below."""

    def between(self: Any, request: Any) -> Any:
        return below(self, request)

    return between


def wrapping(below: Method) -> Method:
    """Patch with `functools.wraps`, which copies what stands on the function."""
    return functools.wraps(below)(plain(below))


@pytest.mark.parametrize("make", [plain, wrapping])
def test_a_call_is_seen_once(tapped: tuple[type, str, Callable[[], None]], make: Callable[[Method], Method]) -> None:
    """Where the tap is put on again above somebody's patch, a call that passes it twice is one call; and so is the next."""
    owner, method, call = tapped
    patches.install()
    setattr(owner, method, make(getattr(owner, method)))
    patches.install()
    counting = Counting()
    with in_force(counting):
        call()
        call()
    assert len(counting.calls) == 2


@pytest.mark.parametrize("make", [plain, wrapping])
def test_the_patch_of_another_stays(tapped: tuple[type, str, Callable[[], None]], make: Callable[[Method], Method]) -> None:
    """Taking the tap off leaves what was patched over it, says that it did, and what is left below sees nothing that is not asked for."""
    owner, method, call = tapped
    patches.install()
    other = make(getattr(owner, method))
    setattr(owner, method, other)
    restored = patches.remove()
    assert owner.__dict__[method] is other
    assert f"{owner.__module__.partition('._')[0]}.{owner.__name__}.{method}" not in restored
    call()
    patches.install()
    counting = Counting()
    with in_force(counting):
        call()
    assert len(counting.calls) == 1
