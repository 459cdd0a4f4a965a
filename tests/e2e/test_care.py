# SPDX-License-Identifier: Apache-2.0
"""The agent never freezes the host, never loses a file, and comes back by itself."""

import glob
import os
import random
import signal
import threading
import time
import unittest

import support
from support import EICAR, PATIENCE, Agent, wait_for


@support.needs_root
class Care(unittest.TestCase):
    def test_a_stopped_core_frees_every_waiting_process(self):
        with Agent() as agent:
            going = threading.Event()
            going.set()
            opened = [0] * 8

            def open_files(n):
                while going.is_set():
                    path = agent.path("t%d-%d" % (n, opened[n] % 50))
                    with open(path, "wb") as f:
                        f.write(b"%d" % opened[n])
                    opened[n] += 1

            threads = [threading.Thread(target=open_files, args=(n,)) for n in range(8)]
            for thread in threads:
                thread.start()
            wait_for(lambda: all(opened))
            core = agent.core()
            os.kill(core, signal.SIGSTOP)
            wait_for(lambda: agent.core() not in (None, core))
            going.clear()
            for thread in threads:
                thread.join(PATIENCE)
                self.assertFalse(thread.is_alive())
            wait_for(lambda: agent.text_of_log().count("ready\n") == 2)
            gaps = wait_for(lambda: agent.call("event.list", {"topic": "agent.ended"})["items"])
            self.assertEqual(len(gaps), 1)
            gap = gaps[0]["event"]
            self.assertGreater(gap["to"] - gap["from"], 5 * 10**9)
            self.assertIn("loop hung", gap["reason"])

    def test_killed_while_quarantining_the_file_is_in_exactly_one_place(self):
        """50 kills at random moments. At each, and after each recovery: the file, or its vault
        entry, and never both; .partial does not count while the original exists."""
        rng = random.Random(7)
        with Agent() as agent:
            vault = os.path.join(agent.state, "quarantine")
            for i in range(50):
                path = agent.path("victim%d" % i)
                whole = len(glob.glob(vault + "/*.tq"))
                with open(path, "wb") as f:
                    f.write(EICAR + b"\n" * rng.randrange(60))
                time.sleep(rng.random() * 0.01)
                # The supervisor too, so that a new start does not have to wait for its back-off.
                agent.kill_all()
                kept = len(glob.glob(vault + "/*.tq")) - whole
                partial = len(glob.glob(vault + "/*.partial"))
                there = os.path.lexists(path)
                self.assertTrue((there and kept == 0) or (not there and kept + partial == 1),
                                "kill %d: there %s, kept %d, partial %d" % (i, there, kept, partial))
                agent.start()
                if os.path.lexists(path):
                    # Not quarantined when the kill came. Whoever touches it now sees it go.
                    try:
                        open(path, "rb").close()
                    except OSError:
                        pass
                wait_for(lambda p=path: not os.path.lexists(p))
                wait_for(lambda n=whole: len(glob.glob(vault + "/*.tq")) == n + 1)
                self.assertEqual(glob.glob(vault + "/*.partial"), [])
            self.assertEqual(len(agent.threats()), 50)

    def test_sigterm_ends_all_by_itself(self):
        with Agent() as agent:
            self.assertEqual(agent.stop(), 0)
            self.assertNotIn("did not stop", agent.text_of_log())
            self.assertFalse(os.path.exists(agent.socket))
            agent.start()

    def test_a_crash_is_reported_and_survived(self):
        with Agent() as agent:
            core = agent.core()
            os.kill(core, signal.SIGSEGV)
            wait_for(lambda: agent.core() not in (None, core))
            wait_for(lambda: agent.text_of_log().count("ready\n") == 2)
            gap = wait_for(lambda: agent.call("event.list", {"topic": "agent.ended"})["items"])[0]
            self.assertEqual(gap["event"]["signal"], signal.SIGSEGV)
            with open(agent.path("file"), "wb") as f:
                f.write(EICAR)
            wait_for(agent.threats)


@unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
class Unprivileged(unittest.TestCase):
    def test_an_ordinary_user_gets_detection_and_is_informed(self):
        with Agent(user=65534) as agent:
            health = agent.call("health")
            self.assertEqual(health["sensor_mechanism"], "fanotify_notify")
            self.assertTrue(any("detect-only" in i["text"] for i in health["health_issues"]))
            with open(agent.path("file"), "wb") as f:
                f.write(EICAR)
            os.chmod(agent.path("file"), 0o644)
            threat = wait_for(agent.threats)[0]
            self.assertEqual(threat["path"], agent.path("file"))


if __name__ == "__main__":
    support.main()
