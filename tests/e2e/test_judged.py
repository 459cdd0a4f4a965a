# SPDX-License-Identifier: Apache-2.0
"""What an acceptance test by hand once found wrong: the agent on machines that are short of disk
or of descriptors, without their state folder, or crowded
with clients. Each is an issue in health, and none costs protection or refuses a file."""

import os
import resource
import shutil
import subprocess
import sys
import unittest

import support
from support import EICAR, Agent, wait_for

# Opens some files, and stays until its standard input is closed.
BUSY = """
import sys
for i in range(20):
    path = "%s/%s-%d" % (sys.argv[1], sys.argv[2], i)
    with open(path, "w") as f:
        f.write(path)
    open(path).close()
print("done", flush=True)
sys.stdin.read()
"""

# Connects as often as it can, and stays.
CROWD = """
import socket, sys
crowd = []
for i in range(300):
    crowd.append(socket.socket(socket.AF_UNIX))
    crowd[-1].connect(sys.argv[1])
print("done", flush=True)
sys.stdin.read()
"""


def fill(folder):
    try:
        with open(os.path.join(folder, "fill"), "wb", buffering=0) as f:
            while True:
                f.write(b"x" * 4096)
    except OSError:
        pass


@support.needs_root
class Short(unittest.TestCase):
    def refused(self, agent, name):
        if not os.path.exists(agent.path(name)):
            with open(agent.path(name), "wb") as f:
                f.write(EICAR)
        with self.assertRaises((PermissionError, FileNotFoundError)):
            open(agent.path(name), "rb").close()

    def test_an_agent_that_starts_on_a_full_disk_protects(self):
        agent = Agent()
        os.mkdir(agent.state, 0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "tocsin-e2e", agent.state],
                       check=True)
        fill(agent.state)
        with agent:
            try:
                self.refused(agent, "file")
                issues = agent.json("health")["health_issues"]
                self.assertTrue(any("free space" in i["fix"] for i in issues), issues)
                os.unlink(os.path.join(agent.state, "fill"))
                wait_for(lambda: "issue journal is over" in agent.text_of_log())
                self.refused(agent, "file")  # and whoever touches it sees it go
                wait_for(lambda: not os.path.lexists(agent.path("file")))
            finally:
                subprocess.run(["umount", "-l", agent.state], check=False)

    def test_without_its_state_folder_lists_say_that_the_journal_cannot_be_read(self):
        with Agent() as agent:
            shutil.rmtree(agent.state)
            self.refused(agent, "file")
            wait_for(lambda: agent.json("health")["health_issues"])
            self.assertIn("cannot be read", agent.tocsin("threat", "list", status=1))

    def test_few_descriptors_refuse_no_file(self):
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        agent = Agent()
        agent.limits = {resource.RLIMIT_NOFILE: (128, 128)}
        with agent:
            self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), before)
            busy = [subprocess.Popen([sys.executable, "-c", BUSY, agent.protected, str(n)],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                    for n in range(150)]
            try:
                self.assertEqual({p.stdout.readline() for p in busy}, {b"done\n"})
            finally:
                for p in busy:
                    p.communicate()
            self.refused(agent, "file")
            wait_for(lambda: not os.path.lexists(agent.path("file")))
            self.assertEqual(agent.trouble(), [])

    def test_a_hundred_clients_are_served_and_none_locks_root_out(self):
        with Agent() as agent:
            clients = [agent.rpc() for _ in range(100)]
            for client in clients:
                self.assertEqual(support.trouble_of(client.call("health")), [])
            for client in clients:
                client.close()
            os.chmod(agent.socket, 0o666)
            crowd = subprocess.Popen([sys.executable, "-c", CROWD, agent.socket], user=65534,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            try:
                self.assertEqual(crowd.stdout.readline(), b"done\n")
                self.assertEqual(agent.trouble(), [])
            finally:
                crowd.communicate()


if __name__ == "__main__":
    support.main()
