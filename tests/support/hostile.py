"""What nobody should send to a gateway: hostile.py HOST:PORT PATH. Fails unless each gets a refusal or a closed connection
in time, and the gateway still answers."""
import http.client
import json
import os
import random
import socket
import sys
import threading

host, path = sys.argv[1], sys.argv[2]
random.seed(1)
faults = []


def say(data, wait=60):
    """Sends bytes as they are; what comes back until the other side closes, or has answered whole."""
    with socket.create_connection(host.rsplit(":", 1), timeout=wait) as client:
        got = b""
        try:
            client.sendall(data)
            if b"Connection: close" not in data:
                client.shutdown(socket.SHUT_WR)  # so that nobody waits for more
            while True:
                more = client.recv(65536)
                if not more:
                    return got
                got += more
        except OSError as error:
            return b"SILENT" if not got and isinstance(error, TimeoutError) else got


def post(body, headers=b""):
    return (b"POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n" % (path.encode(), len(body), headers)) + body


def status(answer):
    return answer.split(b" ", 2)[1].decode() if answer.startswith(b"HTTP/") else "closed"


def expect(name, data, allowed):
    got = say(data)
    if got == b"SILENT" or status(got) not in allowed:
        faults.append("%s: %r" % (name, got[:200]))


def written_first(name, where, length, wanted):
    """A body that a client sends to its end before it reads, as most libraries do."""
    client = http.client.HTTPConnection(host, timeout=60)
    try:
        client.request("POST", where, body=b"a" * length, headers={"Content-Type": "application/json"})
        got = client.getresponse().status
    except OSError as error:
        got = repr(error)
    if got != wanted:
        faults.append("%s: %s in place of %d" % (name, got, wanted))
    client.close()


refused = ("400", "403", "404", "405", "411", "413", "414", "415", "422", "431", "501", "505", "closed")
expect("garbage", os.urandom(2000), refused)
written_first("a body that is too long", path, 5000000, 413)
written_first("one that is far too long", path, 19000000, 413)
written_first("a long body to nowhere", "/nowhere", 4000000, 404)
expect("a greeting of TLS", bytes.fromhex("1603010200010001fc0303") + os.urandom(500), refused)
expect("a long header", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200000 + b"\r\n\r\n", refused)
expect("many headers", b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 20000 + b"\r\n", refused)
expect("a long path", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", refused)
expect("a path that climbs", b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", refused)
expect("an unknown method", b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", refused)
expect("a negative length", b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n" % path.encode(), refused)
expect("an endless length", b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n" % path.encode(), refused)
expect("a wrong chunk", b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" % path.encode(), refused)
expect("a body that is compressed", post(b"\x1f\x8b\x08" + bytes(40), b"Content-Encoding: gzip\r\n"), ("415",))
expect("a host that only begins like ours", b"GET /info HTTP/1.1\r\nHost: localhost:1@elsewhere\r\n\r\n", ("403",))
expect("NaN", post(b'{"inputs":"a","truncate":NaN}'), ("422",))
for method, at, allowed in (("PUT", path, "POST"), ("OPTIONS", "/", "GET, HEAD, POST"), ("POST", "/health", "GET, HEAD"), ("DELETE", "/v1/models/x", "GET, HEAD")):
    got = say(("%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % (method, at)).encode())
    if status(got) != "405" or ("\r\nAllow: %s\r\n" % allowed).encode() not in got:
        faults.append("%s %s: %r" % (method, at, got[:300]))
# A member's name is cut in a refusal, never within a character.
for name in ("\u00e9" * 80, "a" + "\u00e9" * 80, "\u8a9e" * 60, "\U0001f600" * 31, "\x01\x7f\u202e"):
    expect("a member named %r" % name, post(json.dumps({name: 1}, ensure_ascii=False).encode()), ("422",))
    expect("a model named %r" % name, post(json.dumps({"model": name, "prompt": "a"}, ensure_ascii=False).encode()).replace(path.encode(), b"/v1/completions", 1), ("404",))
expect("a model that is not UTF-8", b"GET /v1/models/%ff%fe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", ("404",))
# A body without end is cut off, whatever becomes of its refusal.
with socket.create_connection(host.rsplit(":", 1), timeout=60) as client:
    client.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % path.encode())
    try:
        for _ in range(400):
            client.sendall(b"100000\r\n" + bytes(0x100000) + b"\r\n")
        faults.append("400 MB of a body are read")
    except OSError:
        pass
expect("two lengths", post(b"{}", b"Content-Length: 7\r\n"), refused + ("200",))
expect("nothing", post(b""), refused)
expect("no UTF-8", post(b'{"inputs":"\xff\xfe"}'), refused)
expect("a zero in a string", post(b'{"inputs":"a\\u0000b"}'), refused)
expect("half a surrogate", post(b'{"inputs":"\\ud800"}'), refused)
expect("deep nesting", post(b'{"inputs":' + b"[" * 100000 + b"]" * 100000 + b"}"), refused)
expect("the deepest nesting that is read", post(b'{"inputs":' + b"[" * 2040 + b"]" * 2040 + b"}"), ("422",))
expect("a large number", post(b'{"inputs":' + b"9" * 100000 + b"}"), refused)
expect("many members", post(json.dumps({"x%d" % i: i for i in range(20000)}).encode()), refused)
expect("a member twice", post(b'{"inputs":"a","inputs":"b"}'), refused)
expect("many inputs", post(json.dumps({"inputs": [["a"]] * 100000}).encode()), refused)
expect("a long text", post(json.dumps({"inputs": "good " * 200000}).encode()), refused)
for name in ("inputs", "truncate", "raw_scores"):
    for value in (None, True, -1, 1.5, "x", [], {}, [[]], [None], [{"a": 1}]):
        body = {"inputs": "good film"}
        body[name] = value
        expect("%s %r" % (name, value), post(json.dumps(body).encode()), refused + ("200",))
whole = json.dumps({"inputs": [["good film", "hello"]], "truncate": True}).encode()
for number in range(150):  # damaged bodies
    body = bytearray(whole)
    for _ in range(random.randint(1, 4)):
        body[random.randrange(len(body))] = random.randrange(256)
    expect("damaged %r" % bytes(body), post(bytes(body)), refused + ("200",))

# Many that connect and say nothing, or not enough, do not keep the others out; they are more than are served at once.
silent = []
for _ in range(300):
    silent.append(socket.create_connection(host.rsplit(":", 1)))
    silent[-1].sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Le" % path.encode())
connection = http.client.HTTPConnection(host, timeout=20)
connection.request("POST", path, json.dumps({"inputs": "good film"}))
if connection.getresponse().status != 200:
    faults.append("beside silent callers there is no answer")
for client in silent:
    client.close()
print("\n".join(faults))
sys.exit(1 if faults else 0)
