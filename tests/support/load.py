"""A load on a gateway: load.py URL REQUESTS CLIENTS read|same, or write FILE. Some clients go half-way, on purpose; the rest
come again as they are told. Fails unless each question that stayed has one answer: that of the first time it was asked, or of
texts that are written the one in FILE (greedy.py). With `same` all ask one question, and none goes."""
import collections
import http.client
import json
import random
import socket
import sys
import threading
import time
import urllib.parse

url, count, clients, kind = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
host = urllib.parse.urlsplit(url).netloc
lock, faults, tally, first = threading.Lock(), [], collections.Counter(), {}
stories = [json.loads(line) for line in open(sys.argv[5])] if kind == "write" else []
words = "hello world a good bad film it is was".split()


def question(number):
    chance = random.Random(number)
    if kind == "write":
        story = stories[number % len(stories)]
        tokens = chance.randint(1, len(story["text"]))
        body = {"prompt": story["prompt"], "max_tokens": tokens}
        first[json.dumps(body)] = story["text"][:tokens], tokens
        return "/v1/completions", body
    if kind == "same":
        return "/predict", {"inputs": "a good film"}
    return "/predict", {"inputs": " ".join(chance.choice(words) for _ in range(chance.randint(1, 9)))}


def answer_of(body):
    value = json.loads(body)
    if kind == "write":
        return value["choices"][0]["text"], value["usage"]["completion_tokens"]
    return [p["label"] for p in value], [round(p["score"], 2) for p in value]


def goes(number):
    return kind != "same" and number % 7 == 3


def go_half_way(path, body):
    """Asks, and is gone before the answer."""
    with socket.create_connection(host.split(":"), timeout=10) as client:
        text = json.dumps(body)
        client.sendall(("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                        % (path, host, len(text), text)).encode())
        time.sleep(random.random() * 0.05)


def ask(path, body):
    for _ in range(200):
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        with lock:
            tally[response.status] += 1
        if response.status == 200:
            return text
        if response.status not in (429, 503) or not response.getheader("Retry-After"):
            raise ValueError("status %d: %s" % (response.status, text[:200]))
        time.sleep(0.3)
    raise ValueError("never answered")


def run(own):
    for number in range(own, count, clients):
        path, body = question(number % (count // 2))
        try:
            if goes(number):
                go_half_way(path, body)
                with lock:
                    tally["gone"] += 1
                continue
            got = answer_of(ask(path, body))
            with lock:
                tally["answered"] += 1
                same = first.setdefault(json.dumps(body), got)
            if near(same, got):
                continue
            raise ValueError("another answer to %s: %s, then %s" % (body, same, got))
        except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
            with lock:
                faults.append("request %d: %r" % (number, error))


def near(a, b):
    """Scores are rounded, so that they may differ by one in the last place; of equal ones the order may."""
    if kind == "write":
        return a == b
    x, y = dict(zip(*a)), dict(zip(*b))
    return x.keys() == y.keys() and all(abs(x[k] - y[k]) < 0.025 for k in x)


threads = [threading.Thread(target=run, args=(i,)) for i in range(clients)]
start = time.time()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
expected = sum(not goes(number) for number in range(count))
print("%d of %d answered, %d gone half-way, statuses %s, %.1f s" % (
    tally["answered"], expected, tally["gone"], {k: v for k, v in tally.items() if isinstance(k, int)}, time.time() - start))
if tally["answered"] != expected:
    faults.append("%d answers where %d were asked for" % (tally["answered"], expected))
print("\n".join(faults))
sys.exit(1 if faults else 0)
