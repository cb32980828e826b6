"""Bad requests by the hundred: each must be answered with a 4xx problem document, and the server must live.

usage: bodies.py    (QUENCHD_URL and QUENCHD_PID in the environment, as tests/with_server.sh sets them)

The bodies are mutations of the examples that openapi.yaml gives for each JSON body, so a new route is attacked as soon
as it is documented.
"""

import concurrent.futures
import copy
import gzip
import http.client
import json
import os
import socket
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "contract"))
import contract  # noqa: E402

URL = urllib.parse.urlsplit(os.environ["QUENCHD_URL"])
JSON = "application/json"


class Raw(str):
    """JSON text that stands for itself: numbers that json.dumps would refuse or round."""


def render(value):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(k) + ":" + render(v) for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(render(v) for v in value) + "]"
    return json.dumps(value)


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, sub in value.items():
            yield from leaves(sub, path + (key,))
    elif isinstance(value, list):
        for index, sub in enumerate(value):
            yield from leaves(sub, path + (index,))
    else:
        yield path, value


def containers(value, path=()):
    if isinstance(value, (dict, list)):
        yield path, value
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, sub in items:
            yield from containers(sub, path + (key,))


def replaced(value, path, new):
    if not path:
        return new
    twin = copy.copy(value)
    twin[path[0]] = replaced(value[path[0]], path[1:], new)
    return twin


# A seed may be any integer of 64 bits, so only what is none is out of its range.
WRONG = {
    "string": [1, True, [], {}, None],
    "number": ["1", True, [], {}, Raw("1e400"), Raw("-1e400"), Raw("1e308"), Raw("-1e308"),
               Raw("9" * 400), Raw("NaN"), Raw("Infinity"), Raw("0x10"), Raw("01"), Raw("1."), Raw("+1")],
    "boolean": ["true", 1, [], {}],
}


def kind(value):
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, (int, float)) else "string"


def mutations(valid):
    """Yields (name, bytes): bodies made of a valid one, none of them valid."""
    text = json.dumps(valid)
    data = text.encode()

    for step in range(1, 61):
        end = len(data) * step // 61
        yield f"truncated after {end} bytes", data[:end]
    for name, body in [
        ("empty", b""), ("a space", b" "), ("a NUL", b"\0"), ("null", b"null"), ("true", b"true"), ("a number", b"0"),
        ("a string", b'"x"'), ("an array", b"[]"), ("no members", b"{}"), ("an array of it", b"[" + data + b"]"),
        ("twice", data + data), ("with a tail", data + b" x"), ("a comma at the end", data[:-1] + b",}"),
        ("single quotes", data.replace(b'"', b"'")), ("a comment", b"/* */" + data), ("no quotes", data.replace(b'"', b"")),
        ("a form", b"a=1&b=2"), ("XML", b"<?xml version='1.0'?><a/>"), ("gzip", gzip.compress(data)),
        ("a NUL inside", data.replace(b":", b":\0", 1)), ("NULs behind", data + b"\0\0\0"),
        ("random bytes", bytes(range(256)) * 8), ("percent signs", b"%s%n%d" * 50),
    ]:
        yield name, body

    for name, bytes_ in [("0xff", b"\xff"), ("an overlong slash", b"\xc0\xaf"), ("a cut sequence", b"\xe2\x82"),
                         ("a surrogate", b"\xed\xa0\x80"), ("beyond U+10FFFF", b"\xf5\x80\x80\x80"), ("a lone tail", b"\x80")]:
        yield f"not UTF-8 in a string: {name}", b'{"name": "' + bytes_ + b'",' + data[1:]
        yield f"not UTF-8 before: {name}", bytes_ + data
    for encoding in ("utf-16", "utf-16-le", "utf-32"):
        yield f"in {encoding}", text.encode(encoding)
    for name, escape in [("a lone surrogate", r"\ud800"), ("a NUL escape", r"\u0000"), ("a bad escape", r"\x41"),
                         ("a cut escape", r"\u12"), ("a raw newline", "\n")]:
        first = next(iter(valid), "")
        yield f"in a key: {name}", data.replace(b'"' + first.encode() + b'"', b'"' + escape.encode() + b'"', 1)

    for depth in (100, 3000, 100000):
        yield f"arrays {depth} deep", b"[" * depth
        yield f"closed arrays {depth} deep", b"[" * depth + b"]" * depth
        yield f"objects {depth} deep", b'{"a":' * depth + b"1" + b"}" * depth
        for path, _ in list(containers(valid))[1:3]:
            yield (f"arrays {depth} deep at {path}",
                   render(replaced(valid, path, Raw("[" * depth + "]" * depth))).encode())

    for path, value in leaves(valid):
        place = "/" + "/".join(map(str, path))
        for wrong in WRONG[kind(value)]:
            yield f"{place} = {render(wrong)[:30]}", render(replaced(valid, path, wrong)).encode()
        if kind(value) == "string":
            yield f"{place} of 100000 letters", render(replaced(valid, path, "x" * 100000)).encode()
    for path, value in list(containers(valid))[1:]:
        place = "/" + "/".join(map(str, path))
        for wrong in (1, "x", True):
            yield f"{place} = {render(wrong)}", render(replaced(valid, path, wrong)).encode()
        if isinstance(value, dict):
            yield f"{place} with an unknown key", render(replaced(valid, path, {**value, "no_such_key": 1})).encode()
        else:
            yield f"{place} with 100000 members", render(replaced(valid, path, [Raw(render(value[0]) if value else "0")] * 100000)).encode()

    for key in valid:
        yield f"{key} twice", (render(valid)[:-1] + "," + json.dumps(key) + ":" + render(valid[key]) + "}").encode()
    yield "an unknown key", render({**valid, "no_such_key": 1}).encode()
    yield "100000 unknown keys", render({**valid, **{f"k{i}": i for i in range(100000)}}).encode()


def request(method, path, body=b"", headers=None):
    """(status, content type, body) of one request on a connection of its own."""
    connection = http.client.HTTPConnection(URL.hostname, URL.port, timeout=60)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        headers = dict(headers or {})
        headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders()
        try:
            connection.send(body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before it was read to the end; the answer is there
        response = connection.getresponse()
        return response.status, response.headers.get("Content-Type", ""), response.read()
    finally:
        connection.close()


def raw(data, wait=2.0):
    """All that comes back for bytes sent as they are; b"" when the connection is closed without a word."""
    answer = b""
    with socket.create_connection((URL.hostname, URL.port), timeout=wait) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before it was sent to the end; the answer may be there
        try:
            while part := connection.recv(65536):
                answer += part
        except OSError:
            pass
    return answer


def parsed(answer):
    """Status, content type and body of the bytes of one answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
    length = int(headers.get("content-length", len(body)))
    return int(line.split(" ")[1]), headers.get("content-type", ""), body[:length] if len(body) == length else b"not one answer: " + body


def chunked(method, path, size):
    """A request of `size` bytes in chunks of 64 kB, whose length nobody announced."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSON}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + (b"10000\r\n" + b" " * 65536 + b"\r\n") * (size // 65536) + b"0\r\n\r\n"


def problem_fault(answer):
    """Why an answer is not a 4xx problem document, or None. 505 is what a wrong version of HTTP gets."""
    status, content_type, body = answer
    if not 400 <= status <= 499 and status != 505:
        return f"status {status}: {body[:200]!r}"
    if content_type.split(";")[0] != "application/problem+json":
        return f"status {status} with {content_type!r}"
    try:
        document = json.loads(body)
    except ValueError:
        return f"status {status}: not JSON: {body[:200]!r}"
    if document.get("status") != status or not all(document.get(key) for key in ("type", "title", "code", "detail")):
        return f"status {status}: not a whole problem document: {body[:200]!r}"
    return None


def protocol_faults(method, path, body):
    """Yields (name, bytes): requests whose HTTP is wrong; the answer is a problem document too, or none when nobody could read one."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSON}\r\n".encode()
    for value in (b"-1", b"x", b"1e3", b"0x10", b"18446744073709551616", b"9" * 100, b"5, 6", b"", b"+5"):
        yield f"Content-Length {value[:20]!r}", head + b"Content-Length: " + value + b"\r\n\r\n" + body
    yield "two Content-Lengths", head + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    for name, data in [("a size that is none", b"zz\r\n{}\r\n0\r\n\r\n"), ("a negative size", b"-2\r\n{}\r\n0\r\n\r\n"),
                       ("a size of 20 digits", b"f" * 20 + b"\r\n{}\r\n"), ("no end of chunk", b"2\r\n{}xx0\r\n\r\n"),
                       ("a size and no data", b"1000\r\n{}"), ("no size line", b"{}" * 5000)]:
        yield f"chunks with {name}", chunked + data
    yield "length and chunks", head + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    yield "an unknown transfer coding", head + b"Transfer-Encoding: rot13\r\n\r\n" + body
    yield "no HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64)
    yield "no version", f"POST {path}\r\n\r\n".encode()
    yield "version 9", f"POST {path} HTTP/9.9\r\nHost: localhost\r\n\r\n".encode()
    yield "a header of 100 kB", head + b"X: " + b"x" * 100000 + b"\r\n\r\n"
    yield "10000 headers", head + b"X: y\r\n" * 10000 + b"\r\n"
    yield "a path of 100 kB", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield "a method of 100 kB", b"G" * 100000 + b" / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def odd_paths(document):
    """Yields (method, path): paths and queries that fit no resource."""
    for text in ("%00", "%ff", "..%2f..%2fetc%2fpasswd", "-1", "0", "99999999999999999999", "1e3", "1%20", "x" * 2000, "%", "%zz",
                 "1;drop table job", "%27%20or%201=1--"):
        for _, path, _, parameters in contract.operations(document):
            if contract.path_names(path):
                yield "GET", path.replace("{" + contract.path_names(path)[0] + "}", urllib.parse.quote(text, safe="%"))
    for method, path, _, parameters in contract.operations(document):
        if method != "GET" or contract.path_names(path):
            continue
        for parameter in parameters:
            schema = contract.deref(document, parameter.get("schema", {}))
            if parameter["in"] == "query" and schema.get("type") in ("integer", "number"):
                for text in ("x", "1e400", "nan", "%ff", "1,2", "") + (("-99999999999999999999", "1.5") if schema["type"] == "integer" else ()):
                    yield "GET", f"{path}?{parameter['name']}={text}"
            elif parameter["in"] == "query" and ("enum" in schema or parameter["name"] == "cursor"):
                for text in ("no-such-word", "%ff", "%00", "x" * 3000):
                    yield "GET", f"{path}?{parameter['name']}={text}"


def alive():
    with open(f"/proc/{os.environ['QUENCHD_PID']}/status", encoding="ascii") as status:
        return "State:\tZ" not in status.read() and request("GET", "/livez")[0] == 200


def attack(tally, method, path, valid):
    """All that is wrong, sent to one route: how many bodies, and how often wrong HTTP was answered in words."""
    count = spoken = 0
    for name, data in mutations(valid):
        fault = problem_fault(request(method, path, data, {"Content-Type": JSON}))
        tally.check(fault is None, f"{method} {path}, {name}: {fault}")
        count += 1
    good = json.dumps(valid).encode()
    for content_type in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                         "json", "application/jsonx", "\x80", None):
        fault = problem_fault(request(method, path, good, {"Content-Type": content_type}))
        tally.check(fault is None, f"{method} {path} as {content_type}: {fault}")
        count += 1
    # Far over any limit: the answer must come without the whole body being taken in.
    fault = problem_fault(request(method, path, b" " * (80 << 20), {"Content-Type": JSON}))
    tally.check(fault is None, f"{method} {path}, 80 MB: {fault}")
    fault = problem_fault(request(method, path, good, {"Content-Type": JSON, "Content-Length": str(1 << 50)}))
    tally.check(fault is None, f"{method} {path}, announced 1 PB: {fault}")
    for name, data in protocol_faults(method, path, good):
        answer = raw(data)
        spoken += bool(answer)
        fault = problem_fault(parsed(answer)) if answer else None
        tally.check(fault is None, f"{method} {path}, {name}: {fault}")
    for size in (2 << 20, 5 << 20):
        answer = raw(chunked(method, path, size), wait=10)
        fault = problem_fault(parsed(answer)) if answer else "no answer"
        tally.check(fault is None and answer.split(b" ")[1] == b"413", f"{method} {path}, {size} bytes in chunks: {fault or answer[:100]!r}")
    tally.check(alive(), f"the server lives after the bodies of {method} {path}")
    return count, spoken


def main():
    tally = contract.Tally()
    document = contract.load()
    before = request("GET", "/v1/jobs")[2]
    routes = []
    for method, path, operation, _ in contract.operations(document):
        body = contract.deref(document, operation.get("requestBody"))
        media = (body or {}).get("content", {}).get(JSON)
        for name in contract.path_names(path):
            path = path.replace("{" + name + "}", "1")
        if media is not None:
            valid = media["example"] if "example" in media else contract.deref(document, next(iter(media["examples"].values())))["value"]
            routes.append((method, path, valid))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        tried = list(pool.map(lambda route: attack(tally, *route), routes))
    count, spoken = (sum(numbers) for numbers in zip(*tried))
    tally.check(count >= 200, f"at least 200 bodies were tried: {count}")
    tally.check(spoken >= 20, f"wrong HTTP is answered, not only hung up on: {spoken}")

    for method, path in odd_paths(document):
        fault = problem_fault(request(method, path))
        tally.check(fault is None, f"{method} {path[:100]}: {fault}")
    tally.check(alive(), "the server lives")
    tally.check(request("GET", "/v1/jobs")[2] == before, "none of it made a job")
    return tally.report()


if __name__ == "__main__":
    sys.exit(main())
