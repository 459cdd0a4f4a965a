# SPDX-License-Identifier: Apache-2.0
"""What an operator does with what was found: looks it up by the beginning of its id, allows it, and
takes that back."""

import os
import unittest

import support
from support import EICAR, Agent, wait_for


@support.needs_root
class Commands(unittest.TestCase):
    def refused(self, agent, name):
        """Writes EICAR, and tells whether it was put away."""
        with open(agent.path(name), "wb", buffering=0) as f:
            f.write(EICAR)
        wait_for(lambda: not os.path.exists(agent.path(name)))

    def test_what_was_allowed_is_listed_and_reported_again_once_it_is_removed(self):
        with Agent() as agent:
            wait_for(lambda: agent.call("health")["real_time_protection_subsystem"]
                     == "endpoint_security_extension")
            self.refused(agent, "a")
            threat = agent.json("threat", "get", "latest")
            self.assertEqual(agent.json("threat", "get", threat["id"][:6].upper())["id"],
                             threat["id"])
            self.assertEqual(agent.json("threat", "allow", "list"), [])
            agent.tocsin("threat", "allow", "latest")
            allowed = agent.json("threat", "allow", "list")
            self.assertEqual([a["sha256"] for a in allowed], [threat["sha256"]])
            with open(agent.path("b"), "wb") as f:
                f.write(EICAR)
            open(agent.path("b"), "rb").close()
            agent.tocsin("threat", "allow", "remove", threat["sha256"][:8])
            self.assertEqual(agent.json("threat", "allow", "list"), [])
            self.assertIn("is not on the agent's list",
                          agent.tocsin("threat", "allow", "remove", threat["sha256"], status=1))

            def closed():
                try:
                    open(agent.path("b"), "rb").close()
                    return False
                except OSError:
                    return True
            wait_for(closed)
            # 'b' was known by the same content: one threat, or two.
            self.assertIn("no threats", agent.tocsin("threat", "list", "--filter", "path=/nowhere"))
            self.assertTrue(agent.json("threat", "list", "--since", "1h", "--severity", "low"))
            said = agent.tocsin("threat", "list", "--filter", "pth=x", status=2)
            self.assertIn("there is no field pth; did you mean path?", said)


if __name__ == "__main__":
    support.main()
