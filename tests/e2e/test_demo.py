# SPDX-License-Identifier: Apache-2.0
"""`make demo`: its scenario goes through to its end, and nothing of it is left."""

import os
import subprocess
import unittest

from support import BUILD, SOURCE, main, needs_root


@needs_root
class Demo(unittest.TestCase):
    def test_scenario_ends_with_two_alerts(self):
        done = subprocess.run([os.path.join(SOURCE, "scripts/demo"), BUILD, "--leave"], text=True,
                              env={**os.environ, "TOCSIN_DEMO_LISTEN": "127.0.0.1:0"},
                              capture_output=True, timeout=200, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        steps = ["The kernel extension protects", "Nobody answers", "The system extension protects",
                 "It is in quarantine", "There are two alerts"]
        at = [done.stdout.index(step) for step in steps]
        self.assertEqual(at, sorted(at))
        self.assertFalse(os.path.ismount(os.path.join(BUILD, "demo/protected")))


if __name__ == "__main__":
    main()
