"""Recommenders for the tests of the demo, and a server of one in a process of its own."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import closing, contextmanager
from urllib.parse import urlencode

from recommender_cases import SPECS, make, world

HISTORIES = {"loss": "softmax", "l2_V": None, "max_iter": 10, "temperature": 0.2, "user_history": True}
FOLDED = {"loss": "softmax", "l2_V": None, "max_iter": 10, "temperature": 0.2}
# An attack, an accent, words that a search must tell apart, and no title at all.
TITLES = {
    0: "<script>document.title = 'attacked'</script>",
    1: "Amélie & Co.",
    2: "The Matrix",
    3: "Matrix, The Second",
    4: None,
    5: "  ",
    6: '"><img src=x onerror=alert(1)>',
}


def recommender_of_films(**params):
    """A recommender of the little world, some of whose titles are hostile."""
    events, users, films = world()
    titles = [TITLES.get(number, title) for number, title in enumerate(films["title"])]
    return make(**(HISTORIES | params)).fit(events, **SPECS, users=users, items=films | {"title": titles})


@contextmanager
def serving(*words, port=0):
    """Run the command; give its port and the process."""
    command = [sys.executable, "-m", "fastfm_ext", "demo", *map(str, words), "--no-browser", "--port", str(port)]
    with subprocess.Popen(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            lines, found = [], None
            while found is None and (lines[-1:] != [""]):
                lines.append(process.stdout.readline())
                found = re.search(r" at http://127\.0\.0\.1:(\d+)/ ", lines[-1])
            assert found, "".join(lines) + process.stderr.read()
            yield int(found[1]), process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.log = process.communicate(timeout=30)


def request(port, path, method="GET", headers=None, **words):
    """The status, the headers and the text of an answer; a header that is None is left out."""
    given = {"Host": f"127.0.0.1:{port}"} | (headers or {})
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.putrequest(method, f"{path}?{urlencode(words)}" if words else path, skip_host=True)
        for name, values in given.items():
            for value in values if isinstance(values, list) else [values]:
                if value is not None:
                    connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read().decode()


def ask(port, question, **words):
    """The content of an answer that must be one."""
    status, _, text = request(port, f"/api/{question}", **words)
    assert status == 200, text
    return json.loads(text)
