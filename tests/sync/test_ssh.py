"""A real ssh to a real sshd on this machine, with keys of its own, on a free port."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runstore.errors import RunstoreError
from runstore.sync.connect import Connect
from runstore.sync.ssh import connector, ssh_command
from runstore.sync.urls import parse_url
from runstore.testing.machines import Machine
from runstore.testing.transports import TransportConformance
from tests.sync.pipes import spawn_cut
from tests.sync.test_pipes import Cut, cut_fetches, cut_pushes

SSHD = shutil.which("sshd") or ("/usr/sbin/sshd" if os.path.exists("/usr/sbin/sshd") else None)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[tuple[str, ...], int]]:
    """Start sshd; give the ssh command that reaches it, and its port."""
    if SSHD is None or shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        pytest.skip("openssh-server is not installed")
    home = tmp_path_factory.mktemp("sshd")
    home.chmod(0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / name)], check=True)
    (home / "authorized").write_bytes((home / "user.pub").read_bytes())
    program = home / "bin" / "runstore"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m runstore "$@"\n')
    program.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = [
        f"Port={port}", "ListenAddress=127.0.0.1", f"HostKey={home}/host", f"AuthorizedKeysFile={home}/authorized", "PidFile=none",
        "StrictModes=no", "UsePAM=no", "PasswordAuthentication=no", "PermitRootLogin=yes", f"SetEnv=PATH={program.parent}:/usr/bin:/bin",
    ]  # fmt: skip
    os.makedirs("/run/sshd", exist_ok=True) if os.geteuid() == 0 else None
    log = home / "log"  # a file: what it says of a thousand connections fills a pipe that nobody reads, and it stands still
    command = [SSHD, "-D", "-E", str(log), "-f", "/dev/null", *(word for one in settings for word in ("-o", one))]
    process = subprocess.Popen(command)
    options = ("-i", f"{home}/user", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
    try:
        _wait(port, process, log)
        yield ("ssh", "-F", "/dev/null", "-q", *options), port
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(100):
        if process.poll() is not None:
            pytest.skip(f"sshd does not start: {log.read_text()[-200:] if log.exists() else process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("sshd does not answer")


class TestSsh(TransportConformance):
    @pytest.fixture(autouse=True)
    def reached_over(self, server: tuple[tuple[str, ...], int]) -> None:
        """Note how the host is reached."""
        self.ssh, self.port = server

    def connect(self, directory: Path) -> Connect:
        url = parse_url(f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{directory}")
        return connector(url, Machine(9).access()._replace(ssh=self.ssh))

    def test_a_host_that_is_not_there(self, ours: Machine, tmp_path: Path) -> None:
        """Where nobody answers, the call fails and says that the connection ended."""
        url = parse_url(f"ssh://127.0.0.1:1{tmp_path}")
        with pytest.raises(RunstoreError) as failed:
            ours.fetch(connector(url, Machine(9).access()._replace(ssh=self.ssh)), attempts=1)
        assert failed.value.kind == "disconnected"

    def test_a_path_with_blanks_and_quotes(self, ours: Machine, tmp_path: Path) -> None:
        """The path is the other shell's word, whatever stands in it."""
        theirs = Machine(5, tmp_path / "it's a $(store)")
        theirs.talk(2)
        ours.fetch(self.connect(tmp_path / "it's a $(store)"))
        assert ours.ids() == theirs.ids()
        theirs.close()


@pytest.mark.parametrize(("part", "count"), [(0, 2), *[pytest.param(part, 100, marks=pytest.mark.soak) for part in range(1, 11)]])
@pytest.mark.timeout(1800)
def test_a_connection_that_is_cut(server: tuple[tuple[str, ...], int], tmp_path: Path, part: int, count: int) -> None:
    """Wherever the pipes to ssh are cut, the receiver is as before or as after, and the next try succeeds: 1,000 places, in ten parts."""
    ssh, port = server

    def cut(name: str) -> Cut:
        url = parse_url(f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path / name}")
        return lambda budget: spawn_cut(ssh_command(url, ssh), budget)

    cut_pushes(tmp_path / "pushed", cut("pushed"), 2 * part, count)
    cut_fetches(tmp_path / "fetched", cut("fetched"), 2 * part + 1, count)


def test_the_command_line() -> None:
    """Host, port and path of a URL stand where ssh and the shell there expect them."""
    assert ssh_command(parse_url("ssh://me@host:22/a b"), ("ssh", "-v")) == [
        "ssh",
        "-v",
        "-p",
        "22",
        "me@host",
        "runstore serve --stdio '/a b'",
    ]
    assert ssh_command(parse_url("host:runs"), ("ssh",)) == ["ssh", "host", "runstore serve --stdio runs"]
