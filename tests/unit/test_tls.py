"""The certificate and the key that both ports speak TLS with."""

import ssl
from pathlib import Path

from services.scheduler.tls import TlsFiles, load
from tests.e2e.certificates import made


def test_what_the_http_port_speaks_is_no_older_than_1_2_whatever_the_machine_allows(
    tmp_path: Path,
) -> None:
    files = made(tmp_path)
    pair = load(TlsFiles(cert=files.cert, key=files.key))
    # The library's own default, and the ciphers that it has, are this machine's to change.
    assert pair.context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert (pair.cert, pair.key) == (files.cert.read_bytes(), files.key.read_bytes())
