# SPDX-License-Identifier: Apache-2.0
"""Who reports which file: the sensor that protects of its own places, trace of the others; and
only what the sensor reports is acted on."""

import os
import unittest

import support
from support import EICAR, Agent, wait_for


@support.needs_root
class Places(unittest.TestCase):
    def setUp(self):
        self.agent = Agent(plugins="  trace: {acts: none, files: [@places@]}\n")
        self.addCleanup(self.agent.__exit__, None, None, None)
        self.places = os.path.join(self.agent.dir, "places")
        os.mkdir(self.places)
        with open(self.agent.config, encoding="utf-8") as f:
            text = f.read()
        # What es watches is configured for trace, too, and must have no effect.
        self.agent.write_config(
            text.replace("@places@", "%s, %s" % (self.places, self.agent.protected)))
        self.agent.start()
        self.tap = self.agent.rpc()
        self.addCleanup(self.tap.close)
        self.tap.call("tap.open", {"topics": ["file.created", "file.written"]})

    def reported(self, path):
        """(topic, sensor) of what is reported of a path, until it was written."""
        reports = []
        while not reports or reports[-1][0] != "file.written":
            _, method, params = self.tap.notification()
            self.assertEqual(method, "tap.event")
            topic, event = params[0], params[3]
            if event["file"]["path"] == path:
                reports.append((topic, event["sensor"]))
        return reports

    def write(self, path, data):
        with open(path, "wb") as f:
            f.write(data)
        return self.reported(path)

    def test_each_file_is_reported_by_one_of_them(self):
        self.assertEqual(self.write(os.path.join(self.places, "f"), b"x"),
                         [("file.created", "trace"), ("file.written", "trace")])
        reports = self.write(self.agent.path("f"), b"x")
        self.assertEqual({sensor for _, sensor in reports}, {"es"})

    def test_what_trace_reports_is_not_acted_on(self):
        outside = os.path.join(self.places, "outside")
        inside = self.agent.path("inside")
        self.write(outside, EICAR)
        self.write(inside, EICAR)
        wait_for(self.agent.threats)
        self.assertEqual([threat["path"] for threat in self.agent.threats()], [inside])
        self.assertTrue(os.path.exists(outside))


@support.needs_root
class Watched(unittest.TestCase):
    """What is watched is configured by a link, and something that is not there."""

    def setUp(self):
        self.agent = Agent()
        self.addCleanup(self.agent.__exit__, None, None, None)
        self.link = os.path.join(self.agent.dir, "link")
        self.missing = os.path.join(self.link, "missing")
        os.symlink(self.agent.protected, self.link)
        with open(self.agent.config, encoding="utf-8") as f:
            text = f.read()
        self.agent.write_config(text.replace("watch: [%s]" % self.agent.protected,
                                             "watch: [%s, %s]" % (self.link, self.missing)))
        self.agent.start()

    def issues(self):
        return [issue["text"] for issue in self.agent.call("health")["health_issues"]]

    def test_a_link_is_followed_and_what_is_missing_makes_health_false(self):
        with open(self.agent.path("bad"), "wb") as f:
            f.write(EICAR)
        wait_for(self.agent.threats)
        self.assertFalse(self.agent.call("health")["healthy"])
        self.assertTrue([text for text in self.issues() if self.missing in text])
        self.assertFalse([text for text in self.issues() if self.link + ":" in text])
        os.mkdir(os.path.join(self.agent.protected, "missing"))
        wait_for(lambda: not [text for text in self.issues() if self.missing in text])


if __name__ == "__main__":
    support.main()
