# SPDX-License-Identifier: Apache-2.0
"""The product's main scenario: whichever way the EICAR string gets into a protected folder, it is
neither read nor executed, it is quarantined once, and listed once with all that is known."""

import errno
import hashlib
import mmap
import os
import subprocess
import unittest

import support
from support import EICAR, Agent, wait_for


@support.needs_root
class Eicar(unittest.TestCase):
    def check(self, agent, name, write, links=()):
        """`write` puts the string into the file `name`; then everything has to be as promised."""
        before = {t["id"] for t in agent.threats()}
        path = agent.path(name)
        write(path)
        for each in (path, *links):
            try:
                with open(each, "rb") as f:
                    self.fail("%s was opened: %r" % (each, f.read()))
            except OSError as e:
                self.assertIn(e.errno, (errno.EPERM, errno.ENOENT), each)
            done = subprocess.run(["sh", "-c", 'exec "$0"', each], check=False,
                                  capture_output=True)
            self.assertNotEqual(done.returncode, 0)
        new = wait_for(lambda: [t for t in agent.threats()
                                if t["id"] not in before and t["status"] == "quarantined"])
        self.assertEqual(len(new), 1, new)
        for each in (path, *links):
            if not os.path.islink(each):
                wait_for(lambda p=each: not os.path.lexists(p))
        threat = new[0]
        self.assertEqual(threat["sha256"], hashlib.sha256(EICAR).hexdigest())
        self.assertIn("eicar", threat["rule"].lower())
        self.assertTrue(threat["process"])
        self.assertIn(threat["path"], (path, *links))
        every = [t for t in agent.threats() if t["id"] not in before]
        self.assertEqual(len(every), 1, every)
        alerts = [a for a in agent.call("alert.list")["items"] if a["path"] == threat["path"]]
        self.assertEqual(len(alerts), 1, alerts)
        return threat

    def test_every_way_in(self):
        def shell(path):
            subprocess.run(["sh", "-c", 'cat > "$0"', path], input=EICAR, check=False)

        def cp(path):
            subprocess.run(["cp", outside, path], check=False)

        def by_mmap(path):
            with open(path, "w+b") as f:
                f.truncate(len(EICAR))
                with mmap.mmap(f.fileno(), len(EICAR)) as m:
                    m[:] = EICAR

        def dd(path):
            with open(path, "wb") as f:
                f.write(b"x" * len(EICAR))
            with open(path, "rb") as f:
                self.assertEqual(f.read(1), b"x")  # judged clean, and remembered
            subprocess.run(["dd", "of=" + path, "conv=notrunc", "status=none"], input=EICAR,
                           check=False)

        def executable(path):
            shell(path)
            try:
                os.chmod(path, 0o755)
            except FileNotFoundError:
                pass

        with Agent() as agent:
            outside = os.path.join(agent.dir, "outside")
            with open(outside, "wb") as f:
                f.write(EICAR)
            self.check(agent, "shell", shell)
            self.check(agent, "cp", cp)
            self.check(agent, "mmap", by_mmap)
            self.check(agent, "dd", dd)
            self.check(agent, "exec", executable)

    def test_renamed_into_place(self):
        with Agent() as agent:
            inside = agent.path("watched")
            os.mkdir(inside)
            os.mkdir(agent.path("elsewhere"))
            with open(agent.config, encoding="utf-8") as f:
                text = f.read().replace("watch: [%s]" % agent.protected, "watch: [%s]" % inside)
            agent.write_config(text)
            agent.tocsin("config", "reload")
            unwatched = agent.path("elsewhere/file")
            with open(unwatched, "wb") as f:
                f.write(EICAR)
            with open(unwatched, "rb") as f:
                self.assertEqual(f.read(), EICAR)  # out of scope: not asked
            self.check(agent, "watched/file", lambda path: os.rename(unwatched, path))

    def test_through_links(self):
        with Agent() as agent:
            hard, soft = agent.path("hard"), agent.path("soft")

            def linked(path):
                with open(path, "wb") as f:
                    os.link(path, hard)
                    os.symlink(path, soft)
                    f.write(EICAR)

            self.check(agent, "first", linked, links=(hard, soft))

    def test_given_its_name_after_it_was_written(self):
        with Agent() as agent:
            def linked(path):
                fd = os.open(agent.path(""), os.O_TMPFILE | os.O_RDWR, 0o644)
                own = os.open("/proc/self/fd", os.O_RDONLY)
                os.write(fd, EICAR)
                os.link(str(fd), path, src_dir_fd=own, follow_symlinks=True)
                os.close(own)
                os.close(fd)

            self.check(agent, "named", linked)

    def test_written_in_another_mount_namespace(self):
        """By a path that is none for the agent, and where somebody else's file is."""
        with Agent() as agent:
            inner = os.path.join(agent.dir, "inner")
            os.mkdir(inner)
            with open(os.path.join(inner, "file"), "wb") as f:
                f.write(b"somebody else's")

            def inside(path):
                subprocess.run(["unshare", "-m", "sh", "-c",
                                'mount --bind "$1" "$2" && cat > "$2/file"', "sh",
                                os.path.dirname(path), inner], input=EICAR, check=True)

            self.check(agent, "file", inside)
            with open(os.path.join(inner, "file"), "rb") as f:
                self.assertEqual(f.read(), b"somebody else's")

    def test_restore_gives_back_every_name(self):
        with Agent() as agent:
            first, second = agent.path("first"), agent.path("second")
            with open(first, "wb") as f:
                os.link(first, second)
                f.write(EICAR)
            for each in (first, second):
                with self.assertRaises(OSError):
                    open(each, "rb").close()
                wait_for(lambda p=each: not os.path.lexists(p))
            threat = agent.threats()[0]
            wait_for(lambda: agent.call("av.quarantine_list")["items"][0]["links"])
            said = agent.tocsin("threat", "quarantine", "restore", threat["id"])
            self.assertNotIn("could not", said)
            self.assertEqual(os.stat(first).st_nlink, 2)
            self.assertTrue(os.path.samefile(first, second))

    def test_in_the_middle_of_a_document_it_is_not_eicar(self):
        with Agent() as agent:
            for name, data in (("before", b"see: " + EICAR), ("after", EICAR + b" is a string"),
                               ("long", EICAR + b" " * 61)):
                with open(agent.path(name), "wb") as f:
                    f.write(data)
                with open(agent.path(name), "rb") as f:
                    self.assertEqual(f.read(), data)
            with open(agent.path("blank"), "wb") as f:
                f.write(EICAR + b" \r\n" * 20)
            wait_for(lambda: len(agent.threats()) == 1)
            self.assertEqual(agent.threats()[0]["path"], agent.path("blank"))

    def test_restore_gives_everything_back_and_allows_it(self):
        with Agent() as agent:
            path = agent.path("mine")
            with open(path, "wb") as f:
                os.setxattr(path, "user.note", b"keep")
                os.chown(path, 1234, 2345)
                os.chmod(path, 0o640)
                f.write(EICAR)
                f.flush()
                os.utime(path, ns=(10**18 + 5, 10**18 + 7))
            threat = wait_for(lambda: [t for t in agent.threats() if t["status"] == "quarantined"])[0]
            self.assertFalse(os.path.lexists(path))
            with open(path, "wb") as f:
                f.write(b"somebody else's")
            self.assertIn("exists", agent.tocsin("threat", "quarantine", "restore", threat["id"],
                                                 status=1))
            os.unlink(path)
            agent.tocsin("threat", "quarantine", "restore", threat["id"])
            with open(path, "rb") as f:
                self.assertEqual(f.read(), EICAR)
            st = os.stat(path)
            self.assertEqual((st.st_uid, st.st_gid, st.st_mode & 0o7777), (1234, 2345, 0o640))
            self.assertEqual(st.st_mtime_ns, 10**18 + 7)
            self.assertEqual(os.getxattr(path, "user.note"), b"keep")
            self.assertEqual(agent.call("threat.get", {"id": threat["id"]})["status"], "restored")

    def test_passive_mode_detects_and_touches_nothing(self):
        with Agent(config="mode: passive\n") as agent:
            path = agent.path("file")
            with open(path, "wb") as f:
                f.write(EICAR)
            threat = wait_for(agent.threats)[0]
            self.assertEqual(threat["status"], "detected")
            with open(path, "rb") as f:
                self.assertEqual(f.read(), EICAR)
            self.assertTrue(agent.json("health")["passive_mode_enabled"])


@support.needs_root
class Benign(unittest.TestCase):
    def test_a_thousand_files_are_written_read_and_executed_unhindered(self):
        with Agent() as agent:
            for i in range(1000):
                path = agent.path("file%d" % i)
                text = b"#!/bin/sh\nexit %d\n" % (i % 256)
                with open(path, "wb") as f:
                    f.write(text)
                os.chmod(path, 0o755)
                with open(path, "rb") as f:
                    self.assertEqual(f.read(), text)
                self.assertEqual(subprocess.run([path], check=False).returncode, i % 256)
            self.assertEqual(agent.threats(), [])
            stats = agent.call("diagnostic.stats")
            self.assertEqual(stats["verdict"]["denied"], 0)
            self.assertEqual(stats["verdict"]["timeouts"], 0)
            self.assertEqual(agent.trouble(), [])


if __name__ == "__main__":
    support.main()
