"""Starting and stopping SeaweedFS: master, volume, filer and the S3 gateway in one process."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obstore.store import S3Store

_PATIENCE = 60.0
_KEY, _SECRET = "test", "testsecret"


def find_weed() -> str | None:
    """Return the program, or None."""
    return shutil.which("weed") or shutil.which("weed", path=str(Path(sys.executable).parent))


class Seaweed:
    """One server with a directory of its own. It can be killed and started again on the same ports."""

    bucket = "runs"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._made = False
        self._ports = _free_ports(4)
        (directory / "data").mkdir()
        identity = {"name": "tests", "credentials": [{"accessKey": _KEY, "secretKey": _SECRET}], "actions": ["Admin"]}
        (directory / "s3.json").write_text(json.dumps({"identities": [identity]}))

    @property
    def endpoint(self) -> str:
        """The address of the gateway."""
        return f"http://127.0.0.1:{self._ports[3]}"

    @property
    def files(self) -> str:
        """Where the buckets lie as static files."""
        return f"http://127.0.0.1:{self._ports[2]}/buckets"

    def environment(self, endpoint: str | None = None) -> dict[str, str]:
        """Return what a client is told by its environment."""
        return {
            "AWS_ENDPOINT_URL": endpoint or self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_REGION": "us-east-1",
        }

    def start(self) -> None:
        """Start, and wait until the gateway answers. Where somebody else was given one of its ports meanwhile, others are tried."""
        for attempt in range(3):
            if attempt:
                self._ports = _free_ports(4)
            if self._start():
                return
        raise AssertionError("the server has ended three times; its log is beside its data")

    def _start(self) -> bool:
        weed = find_weed()
        assert weed is not None
        master, volume, filer, gateway = self._ports
        command = [
            *(weed, "-logtostderr", "server", f"-dir={self._directory / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
            *(f"-master.port={master}", f"-volume.port={volume}", "-filer", f"-filer.port={filer}"),
            *("-s3", f"-s3.port={gateway}", f"-s3.config={self._directory / 's3.json'}"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.volumeSizeLimitMB=256", "-volume.max=0"),
        ]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._directory, start_new_session=True)
        until = time.monotonic() + _PATIENCE
        while not self._answers() or (self._made and not self._gives()):
            assert time.monotonic() < until, "the server does not come up; its log is beside its data"
            if self._process.poll() is not None:
                return False
            time.sleep(0.1)
        return True

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def make_bucket(self) -> None:
        """Make the bucket, and wait until it takes objects: a fresh server refuses some writes at first."""
        from obstore import put

        put(self._client(), "first", b"1")
        self._made = True

    def _gives(self) -> bool:
        """True if what was put before can be got: after a kill that takes longer than the gateway's being up."""
        from obstore import get
        from obstore.exceptions import BaseError

        try:
            return bytes(get(self._client(), "first").bytes()) == b"1"
        except (BaseError, OSError):
            return False

    def _client(self) -> S3Store:
        from obstore.store import S3Store

        names = {name.removeprefix("AWS_").lower(): value for name, value in self.environment().items() if name != "AWS_ALLOW_HTTP"}
        config = {"endpoint": names.pop("endpoint_url"), **names}
        return S3Store(self.bucket, config=config, client_options={"allow_http": True})  # type: ignore[arg-type]  # keys are plain texts here

    def kill(self) -> None:
        """End the server without warning: at the end of the session too, as it takes ten seconds over a farewell."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _free_ports(count: int) -> list[int]:
    """Return ports that are free, and so are those 10,000 above: the server opens these as well. Both lie below what clients are given."""
    chance = random.Random()
    found: list[int] = []
    while len(found) < count:
        port = chance.randrange(20_000, 22_700)
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found
