# SPDX-License-Identifier: Apache-2.0
"""What is done about a match: a process tree is killed and its program put into quarantine, with
the real sensors, and an operator sees it and takes it back."""

import os
import shutil
import signal
import subprocess
import unittest

import support
from support import Agent, needs_root, wait_for

RULE_ID = "0b6f5c60-63a9-4b43-9d0a-0c2ad1a7c9d1"
RULE = """title: Odd program
id: %s
logsource: {category: process_creation, product: linux}
detection:
  program: {Image|endswith: /odd-program}
  script: {CommandLine|endswith: odd-script}
  condition: program or script
level: high
""" % RULE_ID


class Responding(Agent):
    def __init__(self, responses, **more):
        super().__init__(**more)
        self.rules = os.path.join(self.dir, "rules")
        os.mkdir(self.rules)
        with open(os.path.join(self.rules, "odd.yml"), "w", encoding="utf-8") as f:
            f.write(RULE)
        with open(self.config, "a", encoding="utf-8") as f:
            f.write("  trace: {}\n  edr: {rules: [%s], responses: [%s]}\n" % (
                self.rules, ", ".join("%s=%s" % (RULE_ID, action) for action in responses)))
        self.program = self.path("odd-program")
        shutil.copy("/bin/sleep", self.program)

    def responses(self, count):
        """The alert as an operator gets it, once so many responses stand in it."""
        def enough():
            alerts = self.json("alert", "list")
            if not alerts:
                return None
            alert = self.json("alert", "get", alerts[0]["id"])
            return alert if len(alert.get("responses", [])) >= count else None
        return wait_for(enough)


@needs_root
class Response(unittest.TestCase):
    def start(self, *args, **more):
        process = subprocess.Popen(args, **more)

        def end():
            process.kill()
            process.wait()

        self.addCleanup(end)
        return process

    def test_a_match_is_killed_and_its_program_quarantined(self):
        with Responding(["kill", "quarantine"]) as agent:
            with open(agent.program, "rb") as f:
                content = f.read()
            process = self.start(agent.program, "100")
            self.assertEqual(process.wait(20), -signal.SIGKILL)
            alert = agent.responses(2)
            self.assertEqual({r["action"]: r["status"] for r in alert["responses"]},
                             {"kill": "done", "quarantine": "done"}, alert["responses"])
            self.assertFalse(os.path.exists(agent.program))
            listed = agent.json("threat", "quarantine", "list")
            self.assertEqual([t["path"] for t in listed], [agent.program])
            self.assertEqual(listed[0]["name"], "Odd program")
            # One thing has happened, so it is one alert.
            self.assertEqual(len(agent.json("alert", "list")), 1)
            agent.tocsin("threat", "quarantine", "restore", listed[0]["id"])
            with open(agent.program, "rb") as f:
                self.assertEqual(f.read(), content)

    def test_of_a_script_the_script_is_quarantined(self):
        with Responding(["quarantine", "kill"]) as agent:
            script = agent.path("odd-script")
            with open(script, "w", encoding="utf-8") as f:
                f.write("#!/bin/sh\nsleep 100\nexit\n")
            os.chmod(script, 0o755)
            process = self.start("./odd-script", cwd=agent.protected)
            self.assertEqual(process.wait(20), -signal.SIGKILL)
            alert = agent.responses(2)
            self.assertEqual({r["action"]: r["status"] for r in alert["responses"]},
                             {"kill": "done", "quarantine": "done"}, alert["responses"])
            listed = agent.json("threat", "quarantine", "list")
            self.assertEqual([t["path"] for t in listed], [script])
            self.assertTrue(os.path.exists("/bin/sh"))

    def test_a_match_is_suspended_until_it_is_resumed(self):
        with Responding(["suspend"]) as agent:
            process = self.start(agent.program, "0.5")
            response = agent.responses(1)["responses"][0]
            self.assertEqual((response["action"], response["status"]), ("suspend", "done"))
            self.assertIsNone(process.poll())
            agent.tocsin("edr", "resume", str(process.pid))
            self.assertEqual(process.wait(20), 0)
            self.assertIn("had ended", agent.tocsin("edr", "resume", str(process.pid), status=1))

    def test_passive_mode_touches_nothing(self):
        with Responding(["kill", "quarantine"], config="mode: passive\n") as agent:
            process = self.start(agent.program, "100")
            alert = agent.responses(2)
            self.assertEqual({r["status"] for r in alert["responses"]}, {"passive"})
            self.assertIsNone(process.poll())
            self.assertTrue(os.path.exists(agent.program))


if __name__ == "__main__":
    support.main()
