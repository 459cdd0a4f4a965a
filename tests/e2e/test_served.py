# SPDX-License-Identifier: Apache-2.0
"""A file system that a server answers for (FUSE), with its files on one that is protected: what is
in it is judged, and a server that does not answer holds up nobody but who opens files there."""

import os
import signal
import subprocess
import sys
import unittest

import support
from support import EICAR, Agent, wait_for


class Served:
    def __init__(self, agent):
        self.backing, self.point = agent.path("backing"), agent.path("served")
        for folder in (self.backing, self.point):
            os.mkdir(folder)

    def __enter__(self):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fuse_server.py")
        self.server = subprocess.Popen([sys.executable, script, self.point, self.backing],
                                       stdout=subprocess.PIPE, text=True)
        if self.server.stdout.readline() != "mounted\n":
            raise AssertionError("FUSE could not be mounted")
        return self

    def __exit__(self, *_exc):
        subprocess.run(["umount", "-l", self.point], check=False)
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()

    def path(self, name):
        return os.path.join(self.point, name)

    def put(self, name, data):
        with open(os.path.join(self.backing, name), "wb") as f:
            f.write(data)

    def silence(self):
        self.server.send_signal(signal.SIGUSR1)

    def answer(self):
        self.server.send_signal(signal.SIGUSR2)

    def await_silence(self):
        """Until somebody waits for it."""
        if self.server.stdout.readline() != "kept\n":
            raise AssertionError("the server has ended")


def begin_cat(path):
    return subprocess.Popen(["cat", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def cat(path):
    process = begin_cat(path)
    out = process.communicate(timeout=support.PATIENCE)[0]
    return process.returncode, out


@support.needs_root
@unittest.skipUnless(os.path.exists("/dev/fuse"), "there is no /dev/fuse")
class TestServed(unittest.TestCase):
    def asking(self, agent):
        return agent.call("es.stats")["served"]["asking"] == 1

    def issues(self, agent):
        return " ".join(i["text"] for i in agent.call("health")["health_issues"])

    def test_what_it_holds_is_judged_through_files_that_are_protected_too(self):
        # Passive for what it reads itself: the server must get its own files.
        with Agent(config="exclusions: [{path: \"**/backing/**\"}]\n") as agent, \
                Served(agent) as served:
            wait_for(lambda: self.asking(agent))
            served.put("bad", EICAR)
            served.put("good", b"harmless")
            self.assertEqual(cat(served.path("good")), (0, b"harmless"))
            self.assertEqual(cat(served.path("bad")), (1, b""))
            threat = wait_for(agent.threats)[0]
            self.assertEqual(threat["path"], served.path("bad"))
            self.assertEqual(threat["status"], "failed")
            self.assertEqual(cat(served.path("bad")), (1, b""))

    def test_a_server_that_does_not_answer_freezes_nothing_and_the_core_can_be_killed(self):
        with Agent() as agent, Served(agent) as served:
            wait_for(lambda: self.asking(agent))
            served.put("f", b"far")
            with open(agent.path("near"), "wb") as f:
                f.write(b"near")
            served.silence()
            stuck = begin_cat(served.path("f"))
            served.await_silence()
            for _ in range(8):
                self.assertEqual(cat(agent.path("near")), (0, b"near"))
            wait_for(lambda: served.point in self.issues(agent))
            self.assertEqual(agent.call("health")["healthy"], False)

            # With a process of the agent's own stuck in it: the core ends, and the next protects.
            core = agent.core()
            os.kill(core, signal.SIGKILL)
            wait_for(lambda: not os.path.exists("/proc/%d" % core))
            wait_for(lambda: agent.text_of_log().count("ready\n") > 1)
            with open(agent.path("bad"), "wb") as f:
                f.write(EICAR)
            wait_for(agent.threats)

            served.answer()
            stuck.communicate(timeout=support.PATIENCE)
            wait_for(lambda: self.asking(agent))
            wait_for(lambda: served.point not in self.issues(agent))


if __name__ == "__main__":
    support.main()
