"""Clients that vanish: in the middle of an upload, of a download, of an event stream. Nothing may stay behind.

usage: clients.py    (QUENCHD_URL and QUENCHD_PID in the environment, as tests/with_server.sh sets them)

What is held in memory is left to AddressSanitizer, whose report at the server's end tests/with_server.sh looks for;
this program counts descriptors and threads, and sees that the server still answers.
"""

import os
import re
import socket
import struct
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "contract"))
import contract  # noqa: E402
import scenario  # noqa: E402

URL = urllib.parse.urlsplit(os.environ["QUENCHD_URL"])
PROCESS = f"/proc/{os.environ['QUENCHD_PID']}"
RST = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: close() sends a reset instead of a farewell


def connect():
    connection = socket.create_connection((URL.hostname, URL.port), timeout=30)
    # A small window, so that a large answer cannot all be on its way before the client is gone.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return connection


def vanish(connection, reset):
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
    connection.close()


def descriptors():
    """Open ones, but for the connections to the database, which stay open for the next who needs one; the server says how many these are."""
    _, _, text = scenario.fetch("/metrics", limit=100000, seconds=5)
    pool = re.findall(rb'^quenchd_database_connections{[^}]*} (\d+)$', text, re.MULTILINE)
    return len(os.listdir(f"{PROCESS}/fd")) - sum(map(int, pool))


def threads():
    return len(os.listdir(f"{PROCESS}/task"))


def settled(measure, limit, seconds=40):
    """The value of `measure` once it is at most `limit`, or the last one when the time is over."""
    end = time.monotonic() + seconds
    while True:
        value = measure()
        if value <= limit or time.monotonic() > end:
            return value
        time.sleep(0.2)


def uploads(tally, targets):
    for path, content_type in targets:
        for round_ in range(20):
            connection = connect()
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
            sent = [0, 1, 100, 5000, 100000][round_ % 5]
            try:
                if round_ % 2:
                    connection.sendall((head + "Content-Length: 200000\r\n\r\n").encode() + b" " * sent)
                else:
                    chunk = b"%x\r\n" % 1000 + b" " * 1000 + b"\r\n"
                    connection.sendall((head + "Transfer-Encoding: chunked\r\n\r\n").encode() + chunk * (sent // 1000) + b"3e8\r\n  ")
            except (BrokenPipeError, ConnectionResetError):
                pass
            vanish(connection, reset=round_ % 4 < 2)
        tally.check(scenario.live(), f"the server lives after clients that left in the middle of POST {path}")


def downloads(tally, paths):
    for path in paths:
        for round_ in range(20):
            connection = connect()
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            if round_ % 5:
                connection.recv([1, 10, 300, 4096][round_ % 4])
            vanish(connection, reset=round_ % 2 == 0)
        tally.check(scenario.live(), f"the server lives after clients that left in the middle of GET {path}")


def heads(tally):
    for data in (b"", b"G", b"GET /v1/jo", b"GET /v1/jobs HTTP/1.1\r\n", b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-Half: "):
        for round_ in range(10):
            connection = connect()
            connection.sendall(data)
            vanish(connection, reset=round_ % 2 == 0)
    tally.check(scenario.live(), "the server lives after clients that left in the middle of a head")


def main():
    tally = contract.Tally()
    document = contract.load()
    names = scenario.prepare()
    # Every answer once, so that pools and caches are as full as they get.
    gets = [scenario.fill(path, names) for method, path, _, _ in contract.operations(document) if method == "GET"]
    for path in gets:
        scenario.fetch(path, limit=100000, seconds=2)
    time.sleep(1)
    before_fds, before_threads = descriptors(), threads()

    posts = []
    for method, path, operation, _ in contract.operations(document):
        body = contract.deref(document, operation.get("requestBody"))
        if method == "POST" and body:
            posts.append((scenario.fill(path, names), next(iter(body["content"]))))
    uploads(tally, posts)
    downloads(tally, gets)
    heads(tally)

    # Each of the clients above would be one.
    fds = settled(descriptors, before_fds + 4)
    tally.check(fds <= before_fds + 4, f"no descriptors stay open: {before_fds} before, {fds} after")
    count = settled(threads, before_threads + 2)
    tally.check(count <= before_threads + 2, f"no threads stay: {before_threads} before, {count} after")
    return tally.report()


if __name__ == "__main__":
    sys.exit(main())
