# SPDX-License-Identifier: Apache-2.0
"""What operators, engineers and vendors do with a running agent. No sensor is needed for most of
it, so an ordinary user runs these too."""

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import unittest

import msgpack
import support
from support import BUILD, SOURCE, TOCSIN, Agent, RpcError, wait_for


class Control(unittest.TestCase):
    def test_an_independent_client_calls_health_and_opens_a_tap(self):
        with Agent(sensor=False) as agent:
            rpc = agent.rpc()
            health = rpc.call("health")
            self.assertEqual(list(health)[:3], ["healthy", "health_issues", "app_version"])
            tap = rpc.call("tap.open", {"topics": ["agent.*"]})["tap"]
            agent.call("config.reload")
            _, method, params = rpc.notification()
            self.assertEqual(method, "tap.event")
            self.assertEqual(params[0], "agent.command")
            self.assertEqual(params[3]["method"], "config.reload")
            rpc.call("tap.close", {"tap": tap})
            rpc.close()

    def test_without_an_agent_the_command_line_says_so(self):
        done = subprocess.run([TOCSIN, "--socket", "/nonexistent/tocsin.sock", "health"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("/nonexistent/tocsin.sock", done.stderr)

    def test_a_bad_configuration_is_refused_with_its_place_and_changes_nothing(self):
        with Agent(sensor=False) as agent:
            before = agent.tocsin("config", "show")
            with open(agent.config, encoding="utf-8") as f:
                good = f.read()
            agent.write_config(good + "mode: blok\n")
            line = good.count("\n") + 1
            said = agent.tocsin("config", "reload", status=1)
            self.assertIn("%s:%d:7" % (agent.config, line), said)
            self.assertIn("passive", said)
            self.assertIn("%s:%d:7" % (agent.config, line),
                          agent.tocsin("config", "validate", status=1))
            agent.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "the old one stays in force" in agent.text_of_log())
            self.assertEqual(agent.tocsin("config", "show"), before)
            agent.write_config(good + "mode: passive\n")
            agent.tocsin("config", "reload")
            self.assertTrue(agent.call("health")["passive_mode_enabled"])

    def test_what_needs_a_restart_says_so(self):
        with Agent(sensor=False) as agent:
            with open(agent.config, encoding="utf-8") as f:
                text = f.read()
            self.assertIn("nothing has changed", agent.tocsin("config", "reload"))
            agent.write_config(text + "release_ring: beta\nmode: passive\n")
            self.assertEqual(agent.json("config", "reload"), {
                "changed": ["release_ring", "mode"], "restart": ["release_ring"], "warnings": []})
            self.assertEqual(agent.call("health")["release_ring"], "current")

    def test_a_misspelt_plugin_is_named_with_its_place(self):
        with Agent(sensor=False) as agent:
            with open(agent.config, encoding="utf-8") as f:
                good = f.read()
            agent.write_config(good + "plugins:\n  avv: {enabled: true}\n")
            said = agent.tocsin("config", "reload", status=1)
            self.assertIn("avv", said)
            self.assertIn("%s:%d:" % (agent.config, good.count("\n") + 2), said)

    def test_a_tap_of_no_topic_is_refused_with_what_is_one(self):
        with Agent(sensor=False) as agent:
            said = agent.tocsin("tap", "verdict*", status=2)
            self.assertIn('"verdict*" is no topic', said)
            self.assertIn("file.*", said)

    def test_a_plugin_that_is_not_installed_keeps_no_other_change_out(self):
        with Agent(sensor=False, plugins="  acme: {enabled: true, enforcement: block}\n") as agent:
            self.assertIn("core.plugin_acme", [i["id"] for i in agent.call("health")["health_issues"]])
            with open(agent.config, encoding="utf-8") as f:
                good = f.read()
            agent.write_config(good + "mode: passive\n")
            agent.tocsin("config", "reload")
            self.assertTrue(agent.call("health")["passive_mode_enabled"])
            agent.write_config(good + "  typo: {enabled: true}\n")
            self.assertIn("typo", agent.tocsin("config", "reload", status=1))
            self.assertEqual([p["name"] for p in agent.call("plugin.list")["items"]], ["acme"])

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_changing_anything_takes_root_and_is_journalled(self):
        with Agent(sensor=False) as agent:
            os.chmod(agent.socket, 0o666)
            script = ("import sys; sys.path.insert(0, %r); from support import *; "
                      "Rpc(sys.argv[1]).call('version'); Rpc(sys.argv[1]).call('config.reload')"
                      % os.path.dirname(os.path.abspath(__file__)))
            done = subprocess.run([sys.executable, "-c", script, agent.socket], check=False,
                                  capture_output=True, text=True, user=65534,
                                  env=dict(os.environ, TOCSIN_BUILD=BUILD))
            self.assertIn("refused", done.stderr)
            journalled = wait_for(lambda: agent.call("event.list", {"topic": "agent.command"})["items"])
            self.assertEqual(journalled[0]["event"]["user_id"], 65534)
            self.assertFalse(journalled[0]["event"]["allowed"])

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_a_flood_of_refused_calls_is_counted_and_leaves_the_record_alone(self):
        calls = 20000
        script = ("import sys; sys.path.insert(0, %r); from support import *; rpc = Rpc(sys.argv[1])\n"
                  "for first in range(0, %d, 100):\n"
                  "    rpc.socket.sendall(b''.join(msgpack.packb([0, first + i, 'approval.deny',\n"
                  "                                [{'pad': 'x' * 3800}]]) for i in range(100)))\n"
                  "    for _ in range(100): rpc._message(30)"
                  % (os.path.dirname(os.path.abspath(__file__)), calls))
        with Agent(sensor=False) as agent:
            agent.call("config.reload")
            os.chmod(agent.socket, 0o666)
            subprocess.run([sys.executable, "-c", script, agent.socket], check=True, user=65534,
                           env=dict(os.environ, TOCSIN_BUILD=BUILD))
            stats = agent.call("diagnostic.stats")
            self.assertEqual(stats["calls"]["refused"], calls)
            self.assertEqual(stats["journal"]["lost"], 0)
            agent.stop()
            with sqlite3.connect(os.path.join(agent.state, "journal.db")) as db:
                def rows(topic):
                    return [msgpack.unpackb(data) for data, in db.execute(
                        "SELECT data FROM events WHERE topic = ? ORDER BY id", (topic,))]
                commands, sums = rows("agent.command"), rows("agent.commands_refused")
            self.assertEqual([(c["user_id"], c["allowed"]) for c in commands],
                             [(0, True), (65534, False)])
            self.assertEqual(sum(s["count"] for s in sums), calls - 1)
            self.assertEqual({s["user_id"] for s in sums}, {65534})
            self.assertEqual({m["method"] for s in sums for m in s["methods"]}, {"approval.deny"})

    def test_of_a_long_call_the_record_has_a_part_and_its_hash(self):
        params = msgpack.packb({"path": "/nowhere", "pad": "x" * 100000})
        with Agent(sensor=False) as agent:
            agent.call("config.validate", msgpack.unpackb(params))
            command = wait_for(lambda: agent.call("event.list", {"topic": "agent.command"})["items"])
            event = command[0]["event"]
            self.assertNotIn("params", event)
            self.assertEqual(event["params_start"], params[:1024])
            self.assertEqual(event["params_length"], len(params))
            self.assertEqual(event["params_sha256"], hashlib.sha256(params).hexdigest())

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_of_the_network_filter_everybody_may_look_and_only_root_change(self):
        looks = ["status", "isolation", "indicator_list", "indicator_test"]
        changes = ["enable", "disable", "isolate", "release", "indicator_add",
                   "indicator_remove", "indicator_reload"]
        script = ("import sys; sys.path.insert(0, %r); from support import *\n"
                  "for method in sys.argv[2:]:\n"
                  "    try: Rpc(sys.argv[1]).call('netfilter.' + method)\n"
                  "    except RpcError as e: print(e.args[0]['code'])"
                  % os.path.dirname(os.path.abspath(__file__)))
        with Agent(sensor=False) as agent:  # it has no such plugin, which it says to who may
            os.chmod(agent.socket, 0o666)
            done = subprocess.run([sys.executable, "-c", script, agent.socket, *looks, *changes],
                                  check=True, capture_output=True, text=True, user=65534,
                                  env=dict(os.environ, TOCSIN_BUILD=BUILD))
            self.assertEqual(done.stdout.split(), ["unknown_method"] * len(looks) +
                             ["refused"] * len(changes))
            self.assertIn("there is no network filter",
                          agent.tocsin("network-filter", "status", status=1))

    def test_unknown_methods_and_plugins_are_refused_in_a_sentence(self):
        with Agent(sensor=False) as agent:
            for method in ("nonsense", "acme.scan", "plugin.info"):
                with self.assertRaises(RpcError) as caught:
                    agent.call(method)
                self.assertTrue(caught.exception.args[0]["message"])

    def test_diagnostic_stats_have_the_counters_of_sensor_and_scanner(self):
        with Agent() as agent:
            with open(agent.path("a"), "wb") as f:
                f.write(b"x")
            with open(agent.path("a"), "rb") as f:
                f.read()
            # An ordinary user's sensor asks nobody; it reports what was written.
            rows = {"es": "asked", "av": "questions"} if os.geteuid() == 0 else {
                "es": "written", "av": "scanned"}

            def counted():
                # One that is being started has none yet.
                stats = {p["name"]: p.get("stats", {})
                         for p in agent.json("diagnostic", "stats")["plugins"]}
                return all(stats[plugin].get(row, 0) > 0 for plugin, row in rows.items())

            wait_for(counted)
            for args in (("diagnostic", "stats"), ("health", "--details", "plugins"),
                         ("plugin", "info", "es")):
                for line in agent.tocsin(*args).splitlines():
                    self.assertLessEqual(len(line), 140, line)

    def test_health_names_the_way_back_to_a_sensor_that_was_switched_off(self):
        def fix(agent):
            return [i["fix"] for i in agent.call("health")["health_issues"]
                    if i["id"] == "core.disabled"]

        with Agent() as agent:
            agent.tocsin("plugin", "disable", "es")
            self.assertEqual(fix(agent), ["tocsin plugin enable es"])
            agent.tocsin("plugin", "enable", "es")
            self.assertEqual(fix(agent), [])
        with Agent(es="enabled: false") as agent:
            self.assertIn("plugins.es.enabled true", fix(agent)[0])


class Vendor(unittest.TestCase):
    """The template, built as the guide says: one compiler call against the installed header."""

    def build(self, agent):
        root = os.path.join(agent.dir, "root")
        subprocess.run(["cmake", "--install", BUILD, "--prefix", root],
                       check=True, capture_output=True)
        folder = os.path.join(agent.dir, "acme")
        os.mkdir(folder, 0o755)
        so = os.path.join(folder, "tocsin_acme.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", so,
                        os.path.join(SOURCE, "docs/vendor/template/tocsin_acme.c"),
                        "-I" + os.path.join(root, "include")], check=True)
        os.chmod(so, 0o755)
        return so

    @support.needs_root
    def test_the_template_loads_sees_files_and_its_alert_is_in_the_journal(self):
        with Agent() as agent:
            so = self.build(agent)
            check = agent.json("plugin", "check", so)
            self.assertTrue(check["ok"], check)
            with open(agent.config, encoding="utf-8") as f:
                text = f.read()
            agent.write_config(text + "  acme: {file: %s}\n" % so)
            agent.tocsin("config", "reload")
            self.assertIn("acme", agent.tocsin("plugin", "list"))
            info = agent.call("plugin.info", {"name": "acme"})
            option = [o["name"] for o in info["options"]][0]
            self.assertTrue(option)
            with open(agent.path("holiday.scr"), "wb") as f:
                f.write(b"x")
            wait_for(lambda: [a for a in agent.call("alert.list")["items"]
                              if a["detected_from"] == "acme"])
            with self.assertRaises(RpcError) as caught:  # it hears no calls
                agent.call("acme.stats")
            self.assertEqual(caught.exception.args[0]["code"], "unknown_method")
            for verb in ("disable", "enable", "reload"):
                agent.tocsin("plugin", verb, "acme")

    def test_a_plugin_that_others_can_write_is_refused_with_the_fix(self):
        with Agent(sensor=False) as agent:
            so = os.path.join(agent.dir, "tocsin_x.so")
            shutil.copy(os.path.join(BUILD, "lib/tocsin/plugins/tocsin_av.so"), so)
            os.chmod(so, 0o777)
            said = agent.tocsin("plugin", "check", so, status=1)
            self.assertIn("chmod", said)


if __name__ == "__main__":
    support.main()
