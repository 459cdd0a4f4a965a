# SPDX-License-Identifier: Apache-2.0
"""Owns: a portal of a test's own for an agent of its own, and a plain client of its HTTP."""

import http.client
import json
import os
import re
import signal
import subprocess
import urllib.parse

from support import BUILD, TOCSIN, wait_for

PORTAL = os.path.join(BUILD, "bin", "tocsin-portal")


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class Portal:
    def __init__(self, agent):
        self.agent = agent
        self.login_socket = os.path.join(agent.dir, "portal.sock")
        self.log = os.path.join(agent.dir, "portal.log")
        self.process = None

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [PORTAL, "--listen", "127.0.0.1:0", "--socket", self.agent.socket,
                 "--login", self.login_socket], stdout=log, stderr=log)
        self.port = int(wait_for(lambda: re.search(r"127\.0\.0\.1:(\d+)/", self.said()))[1])
        self.home = "http://127.0.0.1:%d" % self.port
        wait_for(lambda: b"tocsin_up 1" in self.get("/metrics").body)
        return self

    def __exit__(self, *exc):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def status(self):
        """What the kernel says of its process: {name: value}."""
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as f:
            return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)

    def link(self, *args, user=None):
        """What `tocsin portal login` prints."""
        return subprocess.run(
            [TOCSIN, "--socket", self.agent.socket, "portal", "login", "--portal",
             self.login_socket, *args], capture_output=True, text=True, check=True, user=user,
            timeout=30).stdout.strip()

    def request(self, method, path, headers=None, body=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, headers)

    def log_in(self, *args):
        return Session(self, self.link(*args))


class Session:
    """One that has used a login link up."""

    def __init__(self, portal, link):
        self.portal = portal
        token = urllib.parse.urlsplit(link).fragment
        answer = portal.request("POST", "/api/login", FORM,
                                urllib.parse.urlencode({"token": token}))
        assert answer.status == 200, answer.body
        self.cookie = answer.headers["Set-Cookie"].split(";")[0]
        self.token = answer.json()["token"]
        self.role = answer.json()["role"]

    def get(self, path, **headers):
        return self.portal.get(path, {"Cookie": self.cookie, **headers})

    def change(self, path, params=None, **headers):
        return self.portal.request(
            "POST", path, {**FORM, "Cookie": self.cookie, "X-Tocsin-Token": self.token, **headers},
            urllib.parse.urlencode(params or {}))

    def stream(self, path):
        """An open stream of events: (connection, response)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.portal.port, timeout=30)
        connection.request("GET", path, headers={"Cookie": self.cookie})
        return connection, connection.getresponse()


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def events(response):
    """(name, value) of each event that a stream sends, as they come."""
    name = None
    while True:
        line = response.readline().decode().rstrip("\n")
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])
