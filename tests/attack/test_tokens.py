"""Ways to spell a token that is not quite it."""

import random
import socket

from offload.service import wire
from tests.attack.conftest import Amount
from tests.remote.served import Served, served

TOKEN = "open-sesame-3141"
PATIENCE_S = 60.0


def spellings(token: str, luck: random.Random) -> list[bytes]:
    """Heads of requests, each without the token as it is said."""
    at = luck.randrange(1, len(token))
    words = {
        token[:at], token[at:], token + token, token[::-1], token.upper(), token.title(),
        token + " x", token + "\0", token + "\t" + token, token[:-1] + chr(ord(token[-1]) ^ 1),
        "%" + token.encode().hex("%"), f'"{token}"', f"'{token}'", f"<{token}>", token + ",",
        "", "*", "null", "None", "true", "undefined", "\xff" * 20, "a" * 8000,
    }  # fmt: skip
    named = [f"Authorization: Bearer {word}" for word in sorted(words - {token})]
    named += [f"Authorization: {scheme} {token}" for scheme in ("Basic", "Token", "Digest", "")]
    named += [f"Authorization: Bearer{between}{token}" for between in ("", ":", "=", "%20", "\0")]
    named += [f"{name}: Bearer {token}" for name in (
        "Proxy-Authorization", "X-Authorization", "Authorization2", "Cookie", "X-Token",
    )]  # fmt: skip
    named += [f"{name}: {token}" for name in ("Token", "X-Api-Key", "Api-Key", "Cookie")]
    named += [f"Authorization: Bearer x\r\nAuthorization: Bearer {token}"]
    return [line.encode("latin-1") for line in named]


def test_a_token_that_is_not_quite_it_opens_nothing(amount: Amount) -> None:
    tried = 0
    with served(token=TOKEN) as server:
        assert status(server, wire.INFO, f"Authorization: Bearer {TOKEN}".encode()) == 200
        for case in range(amount(40)):
            for line in spellings(TOKEN, random.Random(case)):
                path = random.Random(tried).choice((wire.INFO, wire.METRICS, wire.PROBE))
                assert status(server, path, line) in {400, 401, 431}, line
                tried += 1
        for query in ("token", "access_token", "Authorization"):
            assert status(server, f"{wire.INFO}?{query}={TOKEN}", b"x: y") == 401
    assert tried >= 136


def status(server: Served, path: str, line: bytes) -> int:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
        connection.sendall(head + line + b"\r\n\r\n")
        return int(connection.makefile("rb").readline().split()[1])
