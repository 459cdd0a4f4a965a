# SPDX-License-Identifier: Apache-2.0
"""A recording of a real agent's bus, replayed: `tocsin rule test` sees what a detector saw."""

import json
import os
import subprocess
import unittest

from support import TOCSIN, Agent, main, needs_root, wait_for

RULES = """
title: creation
logsource: {product: linux, category: process_creation}
detection:
    s: {Image|endswith: /sleep, CommandLine: 'sleep 0.051', LogonId: 0, ParentProcessId|gt: 0}
    condition: s
---
title: parent
logsource: {product: linux, category: process_creation}
detection:
    s: {ParentImage|endswith: /bin/sh, ParentCommandLine|startswith: sh, CommandLine: 'sleep 0.051'}
    condition: s
---
title: execve
logsource: {product: linux, service: auditd}
detection: {s: {type: EXECVE, a0: sleep, a1: '0.051'}, condition: s}
---
title: syscall
logsource: {product: linux, service: auditd}
detection: {s: {type: SYSCALL, SYSCALL: execve, comm: sleep, exe|endswith: /sleep}, condition: s}
---
title: file
logsource: {product: linux, category: file_event}
detection: {s: {TargetFilename|endswith: /dropped}, condition: s}
---
title: path
logsource: {product: linux, service: auditd}
detection: {s: {type: PATH, nametype: CREATE, name|endswith: /dropped}, condition: s}
---
title: other
logsource: {product: macos, category: process_creation}
detection: {s: {CommandLine: 'sleep 0.051'}, condition: s}
---
title: line
logsource: {product: linux}
detection: {s: [sleep], condition: s}
"""


@needs_root
class ReplayTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.agent = cls.enterClassContext(Agent(plugins="  trace: {}\n"))
        cls.rules = os.path.join(cls.agent.dir, "rules.yml")
        with open(cls.rules, "w", encoding="utf-8") as f:
            f.write(RULES)

    def tap(self, act, *words, as_json=False):
        """Acts until the tap has seen it once; gives the file with the event."""
        path = os.path.join(self.agent.dir, "recording")
        how = ["--output", "json"] if as_json else ["--record", path, "--overwrite"]
        with open(path, "wb") as out:
            tap = subprocess.Popen(
                [TOCSIN, "--socket", self.agent.socket, "tap", *words, "--count", "1", *how],
                stdout=out if as_json else subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: act() or tap.poll() is not None)
        finally:
            tap.kill()
            tap.wait()
        return path

    def replay(self, path):
        """The titles that the one event of the file matches, in no order."""
        done = subprocess.run([TOCSIN, "rule", "test", "--rules", self.rules, "--events", path,
                               "--output", "json"], capture_output=True, text=True, timeout=60,
                              check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([a["event"] for a in answers], [1])
        return sorted(m["title"] for m in answers[0]["matches"])

    def test_a_started_process_is_a_creation_and_records_of_auditd(self):
        def act():
            # Whatever sh is, it was asked for by this name.
            subprocess.run(["sh", "-c", "sleep 0.051; :"], check=True)

        wanted = ["creation", "execve", "parent", "syscall"]
        # What a shell was called by is seen in the kernel alone.
        if self.agent.tocsin("health", "--field",
                             "supplementary_events_subsystem").strip() != "ebpf":
            wanted.remove("parent")
        which = ("process.started", "--filter", "process.command_line=sleep 0.051")
        for as_json in (False, True):
            path = self.tap(act, *which, as_json=as_json)
            self.assertEqual(self.replay(path), wanted)

    def test_a_new_file_is_a_file_event_and_a_path_of_auditd(self):
        name = self.agent.path("dropped")

        def act():
            if os.path.exists(name):
                os.unlink(name)
            with open(name, "w", encoding="ascii") as f:
                f.write("x")

        which = ("file.created", "--filter", "file.path=" + name)
        for as_json in (False, True):
            path = self.tap(act, *which, as_json=as_json)
            self.assertEqual(self.replay(path), ["file", "path"])


if __name__ == "__main__":
    main()
