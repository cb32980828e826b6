"""A hundred clients at once who want the same: run by tests/with_server.sh, whose server they crowd."""

import collections
import os
import sys
import threading
import time
import urllib.parse

from workload import Client, hold, simulation

CLIENTS = 100
URL = urllib.parse.urlsplit(os.environ["QUENCHD_URL"])
failures = 0
checks = 0


def check(true, what):
    global checks, failures
    checks += 1
    failures += not true
    print(f"{'ok' if true else 'FAILED'}: {what}", flush=True)


def all_at_once(body, key=None):
    """The (status, answer) of a hundred POSTs that leave together."""
    start = threading.Barrier(CLIENTS)
    answers = []

    def post():
        client = Client((URL.hostname, URL.port, None), 0)
        start.wait()
        # A machine that stands for a moment makes a queue that is refused; whoever is told "not now" comes again.
        end = time.monotonic() + 60
        while True:
            answer = client.once("POST", "/v1/simulations", body, key, seconds=60) or (0, None)
            if answer[0] != 503 or time.monotonic() > end:
                break
            time.sleep(0.2)
        answers.append(answer)

    threads = [threading.Thread(target=post) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def tally(answers):
    return dict(collections.Counter(status for status, _ in answers))


def spec(number):
    return simulation("crowd", number, "fast", [hold(300, 0.01)], timestep=1)


def main():
    client = Client((URL.hostname, URL.port, None), time.monotonic() + 60)
    before = len(client.once("GET", "/v1/jobs?limit=1000")[1]["items"])

    answers = all_at_once(spec(1))
    made = {(answer["id"], answer["job"]) for status, answer in answers if status < 300 and answer}
    check(all(0 < status < 300 for status, _ in answers), f"the same spec from {CLIENTS} clients is accepted from each: {tally(answers)}")
    check(len(made) == 1, f"as one simulation: {made}")
    check(tally(answers).get(202) == 1, "which is new to one of them")

    answers = all_at_once(spec(2), "one key")
    made = {(answer["id"], answer["job"]) for status, answer in answers if status < 300 and answer}
    check(len(made) == 1 and set(tally(answers)) <= {200, 202, 409}, f"with the same key it is answered once, or is in flight: {tally(answers)}")
    status, again = client.once("POST", "/v1/simulations", spec(2), "one key")
    check(made == {(again["id"], again["job"])}, f"later the key replays that answer: {status} {again}")
    status, problem = client.once("POST", "/v1/simulations", spec(3), "one key")
    check(status == 422, f"with another body the key is refused: {status} {problem.get('code')}")

    jobs = len(client.once("GET", "/v1/jobs?limit=1000")[1]["items"]) - before
    check(jobs == 2, f"two jobs in all: {jobs}")
    print(f"{checks - failures} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
