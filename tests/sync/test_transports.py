"""Every transport passes the public suite."""

from __future__ import annotations

import sys
from pathlib import Path

from runstore.repo import TABLES, now_microseconds
from runstore.sync import local
from runstore.sync.connect import Access, Connect
from runstore.sync.ssh import spawn
from runstore.sync.urls import Url
from runstore.testing.transports import TransportConformance


class TestPath(TransportConformance):
    def connect(self, directory: Path) -> Connect:
        return local.connector(Url("path", str(directory), str(directory)), Access(TABLES, now_microseconds, "peer"))


class TestStdio(TransportConformance):
    def connect(self, directory: Path) -> Connect:
        command = [sys.executable, "-m", "runstore", "serve", "--stdio", str(directory)]
        return lambda: spawn(command)
