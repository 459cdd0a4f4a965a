# SPDX-License-Identifier: Apache-2.0
"""A real Kerberos exchange (Debian's KDC, kinit, kpasswd) with the filter in every state that it
can be in: it always works, and as fast as without."""

import os
import subprocess
import time
import unittest

from network import (KDC, NEVER_ANSWERS, OTHER, SERVER, Filtered, Network, figure,
                     needs_network, needs_programs)
from support import main, wait_for

LATER = 5.0  # seconds more than without a filter; the first retry of kinit's is after one
KRB5 = """[libdefaults]
 default_realm = TOCSIN.TEST
 dns_lookup_kdc = false
 dns_lookup_realm = false
 rdns = false
 udp_preference_limit = {udp}
[realms]
 TOCSIN.TEST = {{
  kdc = {kdc}
  admin_server = {kdc}
  kpasswd_server = {kdc}
 }}
[domain_realm]
 .tocsin.test = TOCSIN.TEST
"""
KDC_CONF = """[kdcdefaults]
 kdc_ports = 88
 kdc_tcp_ports = 88
[realms]
 TOCSIN.TEST = {{
  database_name = {dir}/principal
  key_stash_file = {dir}/stash
  acl_file = {dir}/acl
  admin_keytab = {dir}/admin.keytab
  kadmind_port = 749
  kpasswd_port = 464
 }}
[logging]
 kdc = FILE:{dir}/kdc.log
 admin_server = FILE:{dir}/kadmin.log
"""


class Realm:
    """A KDC and its administration server in the network's KDC."""

    def __init__(self, network):
        self.network = network
        self.dir = os.path.join(network.dir, "kdc")
        os.mkdir(self.dir)
        with open(os.path.join(self.dir, "kdc.conf"), "w", encoding="ascii") as f:
            f.write(KDC_CONF.format(dir=self.dir))
        with open(os.path.join(self.dir, "acl"), "w", encoding="ascii") as f:
            f.write("*/admin@TOCSIN.TEST *\n")
        self.env = self.environment("udp", 1465)
        self.tcp = self.environment("tcp", 1)
        self.named = self.environment("named", 1465, "kdc.tocsin.test")
        self.local("/usr/sbin/kdb5_util", "create", "-s", "-P", "master", "-W")
        for principal in ("user", "root/admin"):
            self.local("/usr/sbin/kadmin.local", "addprinc", "-pw", "secret", principal)
        for args in (["/usr/sbin/krb5kdc", "-n"], ["/usr/sbin/kadmind", "-nofork"]):
            network.popen(args, "kdc", env=self.env, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
        wait_for(lambda: self.kinit()[0] == 0)
        wait_for(lambda: self.kadmin()[0] == 0)

    def environment(self, name, udp, kdc=KDC):
        path = os.path.join(self.dir, name + ".conf")
        with open(path, "w", encoding="ascii") as f:
            f.write(KRB5.format(udp=udp, kdc=kdc))
        return dict(os.environ, KRB5_CONFIG=path, KRB5CCNAME="FILE:%s/%s.cc" % (self.dir, name),
                    KRB5_KDC_PROFILE=os.path.join(self.dir, "kdc.conf"), LC_ALL="C")

    def local(self, *args):
        subprocess.run(args, env=self.env, check=True, capture_output=True)

    def kinit(self, env=None, **kwargs):
        return self.network.run(["/usr/bin/kinit", "user"], stdin="secret\n",
                                env=env or self.env, **kwargs)

    def kadmin(self):
        """Asks the administration server, on port 749 of TCP."""
        return self.network.run(["/usr/bin/kadmin", "-p", "root/admin", "-w", "secret", "-q",
                                 "getprinc user"], env=self.env)

    def kpasswd(self):
        return self.network.run(["/usr/bin/kpasswd", "user"], stdin="secret\nsecret\nsecret\n",
                                env=self.env)

    def exchanges(self, names):
        """{what: seconds}, all of which must have worked."""
        took = {}
        for what, run in (("UDP", self.kinit), ("TCP", lambda: self.kinit(self.tcp)),
                          ("kpasswd", self.kpasswd), ("kadmin", self.kadmin),
                          ("KDC by name", lambda: self.kinit(self.named, names=True))):
            if what == "KDC by name" and not names:
                continue
            status, output, seconds = run()
            if status:
                raise AssertionError("%s: status %d after %.1f s: %s" % (
                    what, status, seconds, output))
            took[what] = seconds
        return took


@needs_network
@needs_programs("krb5kdc", "kadmind", "kinit", "kpasswd", "kadmin")
class Kerberos(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.network = Network()
        cls.addClassCleanup(cls.network.close)
        cls.network.serve_names({"kdc.tocsin.test": KDC})
        cls.network.serve_bytes(7000)
        cls.realm = Realm(cls.network)
        cls.realm.exchanges(True)  # once, so that all is read from the disk
        cls.without = cls.realm.exchanges(True)
        cls.tell("without an agent", cls.without)

    @staticmethod
    def tell(when, took):
        figure("Kerberos, %s: %s" % (
            when, ", ".join("%s %.3f s" % (w, s) for w, s in took.items())))

    def works(self, when, names=True):
        took = self.realm.exchanges(names)
        self.tell(when, took)
        for what, seconds in took.items():
            self.assertLess(seconds, self.without[what] + LATER, "%s, %s" % (when, what))

    def stalled(self):
        """Others wait, once the filter knows that somebody votes: how long."""
        def waits():
            begin = time.monotonic()
            self.assertEqual(self.network.connect("tcp", SERVER, 7000, "x"), 0)
            took = time.monotonic() - begin
            return took if took > 1 else None

        return wait_for(waits)

    def test_in_block_mode_with_names_to_look_for(self):
        with Filtered(self.network, block=["evil.test", OTHER]) as agent:
            self.assertTrue(agent.status()["queue"]["used"])
            self.works("names to look for")
            # A list cannot cut the logins off either.
            agent.set_list([KDC, "kdc.tocsin.test"])
            agent.tocsin("indicator", "reload")
            self.assertEqual(self.network.connect("tcp", KDC, 9), 1)  # EPERM: it is in force
            self.works("the KDC itself is on the list")
            agent.tocsin("network-filter", "disable")
            self.works("disabled")

    def test_under_a_verdict_that_never_comes(self):
        with Filtered(self.network, block=["evil.test"], plugins=NEVER_ANSWERS,
                      options="budget: 10s") as agent:
            stalled = self.stalled()
            figure("a connect under a verdict that never comes: %.2f s" % stalled)
            self.works("under a verdict that never comes")
            self.assertGreater(agent.status()["queue"]["timeouts"], 0)

    def test_with_the_agent_stopped(self):
        with Filtered(self.network, block=["evil.test"]) as agent:
            with agent.stopped(*agent.pids()):
                self.works("the agent stopped")
            agent.filters()
            self.works("going on")
        with Filtered(self.network, block=["evil.test"], plugins=NEVER_ANSWERS,
                      options="budget: 10s") as agent:
            self.stalled()
            with agent.stopped(agent.core()):
                self.works("the agent stopped, and nobody answers")

    def test_isolated_with_the_kdc_allowed(self):
        with Filtered(self.network) as agent:
            agent.tocsin("isolate", "on", "--allow=" + KDC, "--allow=%s:53" % SERVER)
            self.works("isolated, the KDC allowed")
            agent.tocsin("isolate", "off")
            self.works("released")

    def test_after_a_crash(self):
        with Filtered(self.network, block=["evil.test"]) as agent:
            agent.kill_all()
            agent.process = None
            self.works("killed")


if __name__ == "__main__":
    main()
