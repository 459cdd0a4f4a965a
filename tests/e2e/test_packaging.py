# SPDX-License-Identifier: Apache-2.0
"""Owns: what is installed: that the agent can do with the rights of its unit all that it
promises, and that the folders and the configuration are there."""

import hashlib
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import unittest

import support
from support import BUILD, SOURCE, main, needs_root, wait_for
from guarded import APPROVED, FALLBACK, Guarded

UNIT = os.path.join(SOURCE, "packaging", "tocsind.service.in")
MANIFEST = os.path.join(BUILD, "install_manifest.txt")
NOBODY = 65534
# A program, not a script: the shell would still have to open that when it is in quarantine already.
with open("/bin/sleep", "rb") as sleep:
    BAD = sleep.read()

# Of <linux/capability.h>: what the core must have kept to run the sensors and the filter.
NEEDED = {"CAP_DAC_READ_SEARCH": 2, "CAP_KILL": 5, "CAP_NET_ADMIN": 12, "CAP_SYS_PTRACE": 19,
          "CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38, "CAP_BPF": 39}


def unit(key):
    with open(UNIT, encoding="ascii") as f:
        return re.search("^%s=(.*)$" % key, f.read(), re.M).group(1)


def as_the_unit_starts_it():
    """The agent's command line with the capabilities that its unit leaves."""
    capabilities = ["+" + c[len("CAP_"):].lower() for c in unit("CapabilityBoundingSet").split()]
    return ["setpriv", "--bounding-set", ",".join(["-all"] + capabilities),
            "--inh-caps", "-all", "--no-new-privs", support.TOCSIND]


def execute_as_nobody(path):
    return subprocess.run([path, "15"], user=NOBODY, group=NOBODY, extra_groups=[], cwd="/",
                          timeout=20, check=False).returncode


@needs_root
@unittest.skipUnless(shutil.which("setpriv"), "there is no setpriv")
class Unit(unittest.TestCase):
    def setUp(self):
        self.list = tempfile.NamedTemporaryFile("w", suffix=".sha256")
        self.addCleanup(self.list.close)
        self.list.write(hashlib.sha256(BAD).hexdigest() + "\n")
        self.list.flush()

    def capabilities(self, agent):
        with open("/proc/%d/status" % agent.core(), encoding="ascii") as f:
            text = f.read()
        return [int(re.search("^%s:\\s*(\\w+)" % name, text, re.M).group(1), 16)
                for name in ("CapEff", "CapBnd")]

    def test_its_capabilities_are_enough_for_both_sensors(self):
        # Only what is executed is judged, so that it runs when the verdict comes.
        with Guarded(command=as_the_unit_starts_it(),
                     av="scan_written: false, block_list: " + self.list.name) as agent:
            agent.protected_by(FALLBACK)
            effective, bounding = self.capabilities(agent)
            for name, number in NEEDED.items():
                self.assertTrue(effective >> number & 1, name)
            self.assertEqual(effective, effective & bounding)
            path = agent.path("sleeper")
            with open(path, "wb") as f:
                f.write(BAD)
            os.chmod(path, 0o755)
            self.assertEqual(execute_as_nobody(path), -signal.SIGKILL)
            wait_for(lambda: [t["status"] for t in agent.threats()] == ["quarantined"])
            agent.tocsin("approval", "grant", "es_extension")
            agent.tocsin("approval", "grant", "full_disk_access")
            agent.protected_by(APPROVED)
            wait_for(agent.calm)

    def test_the_unit_takes_nothing_away_that_a_sensor_needs(self):
        with open(UNIT, encoding="ascii") as f:
            keys = {line.split("=")[0] for line in f if re.match("[A-Z]\\w*=", line)}
        for key in ("ProtectKernelTunables", "ProtectKernelModules", "ProtectProc", "PrivateTmp",
                    "PrivateUsers", "PrivateMounts", "ProtectHome", "ProtectSystem",
                    "RestrictNamespaces", "SystemCallFilter", "MemoryDenyWriteExecute"):
            self.assertNotIn(key, keys)


class Installed(unittest.TestCase):
    def setUp(self):
        self.root = os.path.join(BUILD, "installed")
        shutil.rmtree(self.root, ignore_errors=True)
        self.addCleanup(self.put_back, pathlib.Path(MANIFEST).read_bytes()
                        if os.path.exists(MANIFEST) else None)
        self.install()

    def put_back(self, manifest):
        """What of this build is installed on the machine is not for a test to forget."""
        shutil.rmtree(self.root, ignore_errors=True)
        os.unlink(MANIFEST)
        if manifest is not None:
            pathlib.Path(MANIFEST).write_bytes(manifest)

    def install(self):
        subprocess.run(["cmake", "--install", BUILD, "--prefix", "/usr"], check=True,
                       env=dict(os.environ, DESTDIR=self.root), stdout=subprocess.DEVNULL)

    def test_all_that_the_guide_names_is_there(self):
        for name in ("usr/sbin/tocsind", "usr/bin/tocsin", "etc/tocsin/tocsin.yaml",
                     "etc/tocsin/conf.d", "usr/lib/systemd/system/tocsind.service",
                     "usr/lib/tocsin/plugins/tocsin_es.so",
                     "usr/lib/tocsin/plugins/tocsin_kext.so",
                     "usr/share/tocsin/profiles/tocsin.mobileconfig",
                     "usr/share/tocsin/rules/yara", "usr/share/tocsin/rules/sigma",
                     "usr/lib/tocsin/plugins/tocsin_edr.so", "etc/tocsin/rules/sigma",
                     "usr/lib/tocsin/plugins/tocsin_netfilter.so",
                     "usr/share/tocsin/indicators/example.csv"):
            self.assertTrue(os.path.exists(os.path.join(self.root, name)), name)

    def test_the_folder_of_managed_profiles_is_roots_and_nobody_elses_to_write(self):
        found = os.stat(os.path.join(self.root, "etc/tocsin/managed.d"))
        self.assertEqual(stat.S_IMODE(found.st_mode), 0o755)
        if os.geteuid() == 0:
            self.assertEqual((found.st_uid, found.st_gid), (0, 0))

    def uninstall(self):
        done = subprocess.run(["cmake", "-P", os.path.join(BUILD, "uninstall.cmake")], check=True,
                              env=dict(os.environ, DESTDIR=self.root), capture_output=True, text=True)
        return [line.split(": ", 1)[1] for line in done.stdout.splitlines() if "Kept: " in line]

    def left(self):
        """Files, and folders of ours: that a system has /usr/bin is none of our business."""
        return [os.path.join(folder, name) for folder, folders, files in os.walk(self.root)
                for name in files + [f for f in folders if f == "tocsin"]]

    def test_uninstalling_leaves_nothing_when_nothing_was_changed(self):
        self.install()  # a second time: the configuration that is there is kept
        self.assertEqual(self.uninstall(), [])
        self.assertEqual(self.left(), [])

    def test_uninstalling_keeps_and_names_what_the_operator_changed_and_the_state(self):
        changed = [os.path.join(self.root, name) for name in
                   ("etc/tocsin/conf.d/10.yaml", "etc/tocsin/managed.d/a.mobileconfig",
                    "etc/tocsin/rules/sigma/own.yml", "etc/tocsin/tocsin.yaml")]
        for name in changed:
            with open(name, "a", encoding="ascii") as f:
                f.write("# changed\n")
        state = os.path.join(self.root, "var/lib/tocsin")
        os.makedirs(state)
        with open(os.path.join(state, "consent"), "wb"):
            pass
        self.assertEqual(sorted(self.uninstall()), changed + [state])
        for name in changed + [state]:
            self.assertTrue(os.path.exists(name), name)
        self.assertEqual([name for name in self.left() if "/usr/" in name], [])


if __name__ == "__main__":
    main()
