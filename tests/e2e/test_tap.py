# SPDX-License-Identifier: Apache-2.0
"""What an operator asks a tap: which file was slow, who denied it, what became of this process;
and the same of a recording."""

import json
import os
import subprocess
import unittest

import support
from support import EICAR, TOCSIN, Agent


def protecting(agent):
    """Waits for a sensor: where the machine is busy its first start may fail, and is repeated."""
    support.wait_for(lambda: agent.call("health")["real_time_protection_subsystem"]
                     == "endpoint_security_extension")


class Tap:
    """`tocsin tap` in the background, which reads from when this is made."""

    def __init__(self, agent, *args):
        before = {s["name"] for s in self.subscribers(agent)}
        self.process = subprocess.Popen(
            [TOCSIN, "--socket", agent.socket, "tap", *args], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        support.wait_for(lambda: {s["name"] for s in self.subscribers(agent)} - before)

    @staticmethod
    def subscribers(agent):
        return [s for s in agent.call("diagnostic.stats")["bus"]["subscribers"]
                if s["name"].startswith("tap-")]

    def finish(self):
        out, err = self.process.communicate(timeout=support.PATIENCE)
        if self.process.returncode:
            raise AssertionError(err)
        return out


@support.needs_root
class Questions(unittest.TestCase):
    def test_which_file_was_slow_and_who_denied_it(self):
        with Agent() as agent:
            protecting(agent)
            tap = Tap(agent, "verdict.final", "--filter", "took_ns>1ns and decision=deny",
                      "--count", "1", "--output", "json")
            with open(agent.path("bad.com"), "wb", buffering=0) as f:
                f.write(EICAR)
                with self.assertRaises(PermissionError):
                    open(agent.path("bad.com"), "rb").close()
            event = json.loads(tap.finish())
            verdict = event["event"]
            self.assertEqual(verdict["file"]["path"], agent.path("bad.com"))
            self.assertEqual(verdict["denied_by"], "av")
            self.assertEqual(verdict["question"], "file.open")
            self.assertEqual(verdict["process"]["pid"], os.getpid())
            self.assertGreater(event["reply_to"], 0)
            self.assertGreater(event["time_ns"], 10**18)

    def test_a_recording_joins_a_question_and_its_answers(self):
        with Agent() as agent:
            protecting(agent)
            recording = os.path.join(agent.dir, "events")
            tap = Tap(agent, "file.open", "verdict", "verdict.final", "--record", recording,
                      "--filter", "file.path=*/bad.com or topic=verdict", "--count", "3")
            with open(agent.path("bad.com"), "wb", buffering=0) as f:
                f.write(EICAR)
                with self.assertRaises(PermissionError):
                    open(agent.path("bad.com"), "rb").close()
            tap.finish()
            again = agent.tocsin("tap", "--record", recording, "--count", "1", status=1)
            self.assertIn("is there already; --overwrite replaces it", again)
            question = agent.json("tap", "--read", recording, "file.open")
            lines = agent.tocsin("tap", "--read", recording, "--filter",
                                 "id=%d or reply_to=%d" % (question["id"], question["id"]))
            self.assertEqual([line.split()[2] for line in lines.splitlines()],
                             ["file.open", "verdict", "verdict.final"])

    def test_a_process_is_followed_with_its_children(self):
        with Agent() as agent:
            protecting(agent)
            shell = subprocess.Popen(["sh"], stdin=subprocess.PIPE, text=True)
            tap = Tap(agent, "file.created", "--follow-process", str(shell.pid), "--count", "2",
                      "--output", "json")
            open(agent.path("not-this"), "w").close()
            # The child stays, so that its parent can be told.
            print(": > %s; sh -c ': > %s; cat'" % (agent.path("own"), agent.path("child")),
                  file=shell.stdin, flush=True)
            seen = [json.loads(line)["event"]["file"]["name"]
                    for line in tap.finish().splitlines()]
            shell.communicate()
            self.assertEqual(seen, ["own", "child"])

    def test_what_nobody_knows_is_refused_with_what_is_near(self):
        with Agent() as agent:
            protecting(agent)
            said = agent.tocsin("tap", "--filter", "file.pth=/x", status=2)
            self.assertIn("there is no field file.pth; did you mean file.path?", said)
            said = agent.tocsin("tap", "verdict.finl", status=2)
            self.assertIn("did you mean verdict.final?", said)

    def test_a_tap_ends_when_its_time_is_up(self):
        with Agent() as agent:
            protecting(agent)
            agent.tocsin("tap", "sensor.*", "--duration", "1s")


if __name__ == "__main__":
    support.main()
