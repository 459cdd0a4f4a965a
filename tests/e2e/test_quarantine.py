# SPDX-License-Identifier: Apache-2.0
"""What cannot be put away at first is refused and named in health, and put away by itself when the
hindrance is over; and the quarantine folder is made again."""

import array
import fcntl
import os
import shutil
import subprocess
import unittest

import support
from support import EICAR, Agent, wait_for

FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IMMUTABLE_FL = 0x80086601, 0x40086602, 0x10
SOON = "quarantine_retry: 200ms"


def make_immutable(fd):
    flags = array.array("i", [0])
    fcntl.ioctl(fd, FS_IOC_GETFLAGS, flags)
    flags[0] |= FS_IMMUTABLE_FL
    fcntl.ioctl(fd, FS_IOC_SETFLAGS, flags)


def issues(agent):
    return [i["text"] for i in agent.json("health")["health_issues"]]


def stays(agent, word):
    return [text for text in issues(agent) if "stay where they are" in text and word in text]


@support.needs_root
class Quarantine(unittest.TestCase):
    def gone_and_healthy(self, agent, path):
        wait_for(lambda: not os.path.lexists(path))
        wait_for(lambda: not stays(agent, ""))
        self.assertEqual([t["status"] for t in agent.threats()], ["quarantined"])

    def immutable(self, agent):
        """The path of an EICAR file that somebody has made immutable."""
        path = agent.path("file")
        with open(path, "wb") as f:
            f.write(EICAR)
            f.flush()
            try:
                make_immutable(f.fileno())
            except OSError as e:
                self.skipTest("no immutable attribute here: %s" % e)
        return path

    def test_immutable_until_an_excluded_chattr_takes_it_off(self):
        chattr = os.path.realpath(shutil.which("chattr") or "/bin/chattr")
        with Agent(av=SOON) as agent:
            path = self.immutable(agent)
            wait_for(lambda: stays(agent, "immutable"))
            by_hand = [chattr, "-i", path]
            self.assertNotEqual(subprocess.run(by_hand, check=False, capture_output=True).returncode, 0)
            with open(agent.config, encoding="utf-8") as f:
                text = f.read()
            agent.write_config("exclusions:\n  - {process: %s}\n" % chattr + text)
            agent.tocsin("config", "reload")
            self.assertEqual(subprocess.run(by_hand, check=False).returncode, 0)
            self.gone_and_healthy(agent, path)

    def test_immutable_and_cleared_by_the_agent(self):
        with Agent(av="clear_immutable: true") as agent:
            path = self.immutable(agent)
            self.gone_and_healthy(agent, path)

    def test_read_only_until_it_is_writable(self):
        with Agent(av=SOON) as agent:
            other, inside = os.path.join(agent.dir, "other"), agent.path("inside")
            os.mkdir(other)
            os.mkdir(inside)
            subprocess.run(["mount", "-t", "tmpfs", "tocsin-e2e", other], check=True)
            try:
                with open(os.path.join(other, "file"), "wb") as f:
                    f.write(EICAR)
                subprocess.run(["mount", "--bind", other, inside], check=True)
                subprocess.run(["mount", "-o", "remount,bind,ro", inside], check=True)
                path = os.path.join(inside, "file")

                def refused():
                    try:
                        with open(path, "rb"):
                            return False
                    except PermissionError:
                        return True

                wait_for(refused)
                wait_for(lambda: stays(agent, "Read-only"))
                subprocess.run(["mount", "-o", "remount,bind,rw", inside], check=True)
                self.gone_and_healthy(agent, path)
            finally:
                subprocess.run(["umount", "-l", inside], check=False)
                subprocess.run(["umount", "-l", other], check=False)

    def test_folder_is_made_again(self):
        with Agent(av=SOON) as agent:
            shutil.rmtree(os.path.join(agent.state, "quarantine"))
            wait_for(lambda: [text for text in issues(agent) if "has been made again" in text])
            path = agent.path("file")
            with open(path, "wb") as f:
                f.write(EICAR)
            self.gone_and_healthy(agent, path)


if __name__ == "__main__":
    support.main()
