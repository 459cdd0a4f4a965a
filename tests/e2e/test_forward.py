# SPDX-License-Identifier: Apache-2.0
"""Alerts leave the machine: a real agent, real receivers that are killed and started again."""

import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import socket
import tempfile
import unittest

import support
from receivers import Receiver, certificate
from support import BUILD, Agent, wait_for

RAISES = os.path.join(BUILD, "lib/tocsin/test-plugins/tocsin_raises.so")


def alert_id(document):
    return document["tocsin"]["alert"]["id"]


def raised(first, count):
    return {"raised-%d" % n for n in range(first, first + count)}


def lines(path):
    """The documents of a file; a line that is being written does not count."""
    try:
        with open(path, "rb") as f:
            return [json.loads(line) for line in f if line.endswith(b"\n")]
    except FileNotFoundError:
        return []


class Forward(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tocsin-forward-")
        self.addCleanup(shutil.rmtree, self.dir)

    def receiver(self, what, **settings):
        receiver = Receiver(self.dir, what, **settings)
        self.addCleanup(receiver.kill)
        return receiver

    def start(self, *sinks, more=""):
        """An agent that forwards, and in it a plugin that raises what a test asks for."""
        self.agent = Agent(sensor=False, plugins="  raises: {file: %s}\n  forward: {sinks: %s%s}\n" % (
            RAISES, json.dumps(sinks), more))
        self.addCleanup(self.agent.__exit__, None, None, None)
        self.agent.start()
        return self.agent

    def raise_alerts(self, first, count):
        self.agent.call("raises.raise", {"first": first, "count": count})

    def status(self, name):
        for item in self.agent.call("forward.status")["items"]:
            if item["name"] == name:
                return item
        raise AssertionError("no sink %s" % name)

    def wait_until_sent(self, name, count):
        wait_for(lambda: self.status(name)["sent"] >= count)

    def secret(self, text):
        path = os.path.join(self.dir, "secret")
        with open(path, "w", encoding="ascii") as f:
            f.write(text + "\n")
        return path


class File(Forward):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.dir, "out", "alerts.jsonl")

    def test_an_alert_is_a_line_of_the_file(self):
        self.start("file:" + self.path)
        self.raise_alerts(7, 1)
        document = wait_for(lambda: lines(self.path))[0]
        self.assertEqual(alert_id(document), "raised-7")
        self.assertEqual(document["event"]["kind"], "alert")
        self.assertEqual(document["event"]["action"], "alert.raised")
        self.assertEqual(document["event"]["severity"], 73)
        self.assertEqual(document["message"], "Raised by a test")
        self.assertEqual(document["process"]["command_line"],
                         "example --with \"quotes\" | and = signs \\ and a line feed:\n.")
        self.assertRegex(document["@timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")
        self.assertTrue(document["host"]["name"])

    def test_only_what_is_severe_enough_and_of_the_topics(self):
        other = os.path.join(self.dir, "other")
        self.start("file:%s severity=high" % self.path, "file:%s name=other topics=plugin.*" % other)
        self.raise_alerts(0, 10)
        wait_for(lambda: len(lines(self.path)) == 5)
        self.assertEqual({alert_id(d) for d in lines(self.path)}, {"raised-%d" % n for n in range(1, 10, 2)})
        self.assertTrue(all(d["event"]["action"].startswith("plugin.") for d in lines(other)))

    def test_a_full_file_is_rotated_and_one_that_was_moved_is_made_anew(self):
        self.start("file:%s max_size=64k keep=2" % self.path)
        for n in range(0, 600, 100):
            self.raise_alerts(n, 100)
            self.wait_until_sent("file", n + 100)
        kept = [self.path + suffix for suffix in ("", ".1", ".2")]
        for path in kept:
            self.assertTrue(lines(path))
        self.assertFalse(os.path.exists(self.path + ".3"))
        moved = self.path + "-moved"
        os.rename(self.path, moved)
        self.raise_alerts(1000, 1)
        self.assertEqual({alert_id(d) for d in wait_for(lambda: lines(self.path))}, {"raised-1000"})

    def test_nothing_is_lost_when_the_agent_is_killed_again_and_again(self):
        self.start("file:" + self.path)
        for n in range(10):
            self.raise_alerts(n * 200, 200)
            # What the journal has is what the agent promises to remember.
            wait_for(lambda n=n: self.agent.call("alert.get", {"id": "raised-%d" % (n * 200 + 199)}))
            core = self.agent.core()
            os.kill(core, signal.SIGKILL)
            wait_for(lambda core=core: self.agent.core() not in (None, core))
            wait_for(self.answers)
        wait_for(lambda: raised(0, 2000) <= {alert_id(d) for d in lines(self.path)})
        by_id = {}
        for document in lines(self.path):
            by_id.setdefault(alert_id(document), set()).add(document["event"]["id"])
        self.assertTrue(all(len(same) == 1 for same in by_id.values()), "duplicates carry one id")

    def answers(self):
        try:  # the agent, and the plugin in it
            return self.agent.call("raises.raise", {"first": 0, "count": 0}) is not None
        except (OSError, ConnectionError, support.RpcError):
            return False


if __name__ == "__main__":
    support.main()
