# SPDX-License-Identifier: Apache-2.0
"""The vendor's way, by the guide's own words: its commands and its configuration are taken from
docs/vendor/guide.md and run as they stand."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import support
from support import BUILD, SOURCE, Agent, wait_for

NOBODY = 65534
with open(os.path.join(SOURCE, "docs/vendor/guide.md"), encoding="utf-8") as guide:
    TEXT = guide.read()


def blocks(language, page=TEXT):
    """The text of each block of a page that is of a language, "" being of none."""
    return [text for found, text in re.findall("^```(.*)\n((?:(?!```).*\n)*)```$", page, re.M) if found == language]


def installed():
    """The vendor's part of the agent, and nothing else, in a folder that everybody can read."""
    root = tempfile.mkdtemp(prefix="tocsin-vendor-")
    os.chmod(root, 0o755)
    subprocess.run(["cmake", "--install", BUILD, "--component", "devel", "--prefix", root], check=True,
                   capture_output=True)
    return root


class Guide(unittest.TestCase):
    def setUp(self):
        self.root = installed()
        self.addCleanup(shutil.rmtree, self.root)
        self.work = os.path.join(self.root, "work")
        os.mkdir(self.work)
        os.symlink(self.found("template"), os.path.join(self.work, "template"))
        self.commands = blocks("sh")

    def found(self, name):
        for folder, folders, files in os.walk(self.root):
            if name in folders + files:
                return os.path.join(folder, name)
        raise AssertionError("%s is not installed" % name)

    def shell(self, script, user=None, socket=""):
        """Runs a block of the guide; its output, which is to be all that there is."""
        env = {"PATH": "%s:%s/bin:/usr/bin:/bin" % (self.root + "/bin", BUILD),
               "PKG_CONFIG_PATH": os.path.dirname(self.found("tocsin.pc")), "TOCSIN_SOCKET": socket}
        done = subprocess.run(["sh", "-ec", 'umask 002; sudo() { "$@"; }\n' + script], cwd=self.work, env=env, user=user,
                              group=user, extra_groups=[] if user else None, capture_output=True, text=True,
                              timeout=120, check=False)
        self.assertEqual(done.returncode, 0, (script, done.stdout, done.stderr))
        self.assertEqual(done.stderr, "", script)
        return done.stdout

    def build_and_try(self, user=None):
        if user is not None:
            os.chown(self.work, user, user)
        self.assertEqual(self.shell(self.commands[0], user), "")
        return self.shell(self.commands[1], user)

    def test_a_copied_template_raises_its_alert_without_an_agent_and_without_rights(self):
        said = self.build_and_try(NOBODY if os.geteuid() == 0 else None)
        promised = blocks("")[0]
        self.assertTrue(promised.startswith("alert "), promised)
        self.assertTrue(said.startswith(promised), said)
        self.assertIn("alerts 1, ", said)
        self.assertIn("errors 0, ", said)

    def test_the_templates_cmake_builds_it_and_tries_it(self):
        said = self.shell("cp template/* . && cmake -B build >/dev/null && cmake --build build >/dev/null && "
                          "ctest --test-dir build 2>/dev/null")
        self.assertIn("100% tests passed, 0 tests failed out of 1", said)

    @support.needs_root
    def test_the_same_file_is_taken_by_an_agent_and_raises_the_alert_there(self):
        self.build_and_try()
        with Agent() as agent:
            place = os.path.join(agent.dir, "opt")
            where = [("/opt/acme", place), ("/tmp/invoice", agent.path("invoice"))]

            def here(text):
                for there, mine in where:
                    text = text.replace(there, mine)
                return text

            self.shell(here(self.commands[2]))
            said = self.shell(here(self.commands[3]))
            self.assertRegex(said, r"kind +: detector\n")
            self.assertRegex(said, r"votes +: false\n")
            self.assertRegex(said, r"subscribes +: file\.\*\n")
            section = re.search("^plugins:\n(.*)", here(blocks("yaml")[0]), re.M | re.S)[1]
            with open(agent.config, encoding="utf-8") as file:
                text = file.read()
            agent.write_config(text + section)
            said = self.shell(self.commands[4], socket=agent.socket)
            self.assertRegex(said, r"state +: running\n")
            self.shell(here(self.commands[5]).replace("tocsin alert list\n", ""), socket=agent.socket)
            wait_for(lambda: "A file with a watched name was seen" in
                     self.shell("tocsin alert list", socket=agent.socket))

    @support.needs_root
    def test_what_an_agent_has_recorded_can_be_tried(self):
        self.build_and_try()
        recording = os.path.join(self.work, "day.msgpack")
        with Agent() as agent:
            tap = subprocess.Popen([support.TOCSIN, "--socket", agent.socket, "tap", "--record", recording, "--count", "1",
                                    "--filter", "file.path=*/invoice*", "file.created"])

            def recorded():  # the tap may be open only after some of them
                with tempfile.NamedTemporaryFile(dir=agent.protected, prefix="invoice", suffix=".exe"):
                    return tap.poll() is not None

            wait_for(recorded)
        self.assertEqual(tap.returncode, 0)
        for events in ("day.msgpack", "day.jsonl"):
            said = self.shell("tocsin tap --read day.msgpack --output json > day.jsonl\n"
                              "tocsin-plugin-test --option 'names=invoice*' --expect-alert 1 tocsin_acme.so " + events)
            self.assertIn("/invoice", said)

    def test_valgrind_names_the_plugins_functions(self):
        if not shutil.which("valgrind"):
            self.skipTest("there is no valgrind")
        with open(os.path.join(BUILD, "bin/tocsin-plugin-test"), "rb") as file:
            if re.search(rb"__[at]san_init", file.read()):
                self.skipTest("valgrind runs no program that a sanitizer watches")
        self.build_and_try()
        self.shell("sed -i '/^static int acme_start/,/^}/s/return 0;/return malloc(13) ? 0 : -1;/' tocsin_acme.c\n"
                   "cc -g" + self.commands[0].split("cc", 1)[1])
        said = self.shell("valgrind --leak-check=full tocsin-plugin-test tocsin_acme.so events.jsonl 2>&1")
        self.assertIn("acme_start (tocsin_acme.c:", said)


CALLED = r"""
#include <tocsin/plugin.h>
static int init(const struct tocsin_host *host, void **ret_state)
{ *ret_state = (void *)(uintptr_t)host; return 0; }
static int start(void *state)
{
    const struct tocsin_host *host = state;
    host->report(host, TOCSIN_REPORT_FACT, "greeting", "hello", NULL);
    return 0;
}
static int ok(void *state) { (void)state; return 0; }
static void event(void *state, const struct tocsin_event *e)
{
    struct tocsin_writer w;
    uint8_t buf[256];
    if (!strcmp(e->topic, "rpc.called.forget")) {
        tocsin_refuse(state, e, "refused", "there is nothing to forget");
        return;
    }
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_int(&w, "twice", 2 * tocsin_event_int(e, "n", 0));
    tocsin_end(&w);
    tocsin_reply(state, e, &w);
}
static void destroy(void *state) { (void)state; }
static const char *const publishes[] = {"rpc.reply", 0};
static const char *const subscribes[] = {"rpc.called.status", "rpc.called.forget", 0};
TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR), .name = "called", .version = "1", .summary = "answers",
    .publishes = publishes, .subscribes = subscribes,
    .init = init, .start = start, .event = event, .stop = ok, .destroy = destroy };
"""


class Call(unittest.TestCase):
    def agent(self):
        agent = Agent(sensor=False, plugins="  called: {file: %s}\n" % os.path.join("DIR", "called.so"))
        with open(agent.config, encoding="utf-8") as file:
            text = file.read()
        agent.write_config(text.replace("DIR", agent.dir))
        source, so = os.path.join(agent.dir, "called.c"), os.path.join(agent.dir, "called.so")
        agent.so = so
        with open(source, "w", encoding="ascii") as file:
            file.write(CALLED)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", so, source, "-I" + os.path.join(SOURCE, "include")], check=True)
        os.chmod(so, 0o755)
        return agent

    def test_a_plugin_is_called_from_the_command_line(self):
        with self.agent() as agent:
            self.assertEqual(agent.tocsin("call", "called.status"), '{"twice":0}\n')
            self.assertEqual(agent.tocsin("call", "called.status", '{"n": 21}'), '{"twice":42}\n')
            for words, sentence in (
                    (("called.forget",), "there is nothing to forget"),
                    (("called.other",), "plugin called has no method other"),
                    (("nobody.status",), "no plugin is called nobody")):
                self.assertIn(sentence, agent.tocsin("call", *words, status=1))
            agent.tocsin("plugin", "disable", "called")
            self.assertEqual(agent.tocsin("call", "called.status", status=1),
                             "tocsin: plugin called does not run: tocsin plugin enable called\n")

    def test_the_protocol_page_has_a_client_that_works(self):
        with open(os.path.join(SOURCE, "docs/vendor/protocol.md"), encoding="utf-8") as page:
            client = blocks("python", page.read())[0]
        with self.agent() as agent:
            done = subprocess.run([sys.executable, "-c", client.replace("/run/tocsin/tocsin.sock", agent.socket)],
                                  capture_output=True, text=True, check=False)
            self.assertEqual((done.stdout, done.stderr), ("called running\n", ""))

    def test_what_is_wrong_with_a_plugin_is_in_its_info_and_an_old_copy_that_goes_on_in_health(self):
        def issues():
            return [i for i in agent.call("health")["health_issues"] if i["id"] == "core.plugin_called"]

        with self.agent() as agent:
            info = agent.call("plugin.info", {"name": "called"})
            self.assertEqual(info["facts"], {"greeting": "hello"})
            self.assertNotIn("last_error", info)
            with open(agent.so, "rb") as file:
                good = file.read()
            self.replace(agent, b"no plugin")
            agent.tocsin("plugin", "reload", "called", status=1)
            self.assertEqual(agent.tocsin("call", "called.status"), '{"twice":0}\n')
            info = agent.call("plugin.info", {"name": "called"})
            self.assertEqual(info["state"], "running")
            self.assertEqual(info["last_error"], agent.so + ": is no ELF file")
            self.assertGreater(info["last_error_time_ns"], 0)
            (issue,) = issues()
            self.assertEqual(issue["text"],
                             "plugin called is still version 1, which runs: %s: is no ELF file" % agent.so)
            self.replace(agent, good)
            agent.tocsin(*issue["fix"].split()[1:])
            self.assertEqual(issues(), [])

    def replace(self, agent, content):
        with open(agent.so + ".new", "wb") as file:
            file.write(content)
        os.chmod(agent.so + ".new", 0o755)
        os.rename(agent.so + ".new", agent.so)

    @support.needs_root
    def test_who_may_only_look_is_refused_what_is_not_named_as_looking(self):
        with self.agent() as agent:
            os.chmod(agent.socket, 0o777)
            os.chmod(agent.runtime, 0o755)

            def as_nobody(method):
                return subprocess.run([support.TOCSIN, "--socket", agent.socket, "call", method], user=NOBODY,
                                      group=NOBODY, extra_groups=[], capture_output=True, text=True, check=False)

            self.assertEqual(as_nobody("called.status").stdout, '{"twice":0}\n')
            refused = as_nobody("called.forget")
            self.assertEqual(refused.returncode, 1)
            self.assertIn("this changes the agent: that takes root", refused.stderr)


# Shows as a fact what it is told of the answer to a question of others.
LISTENER = """
#include <tocsin/event.h>
#include <tocsin/plugin.h>
static int init(const struct tocsin_host *host, void **ret_state)
{ *ret_state = (void *)(uintptr_t)host; return 0; }
static int ok(void *state) { (void)state; return 0; }
static void event(void *state, const struct tocsin_event *e)
{ const struct tocsin_host *host = state; char text[512]; size_t i;
  struct tocsin_str path = tocsin_event_str(e, "file.path");
  for (i = 0; i < path.len && i < sizeof(text) - 1; i++) text[i] = path.ptr[i];
  text[i] = 0;
  if (i) host->report(host, TOCSIN_REPORT_FACT, "answered", text, 0); }
static void destroy(void *state) { (void)state; }
static const char *const subscribes[] = {"verdict.final", 0};
TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR), .name = "listener", .version = "1",
    .summary = "listens", .subscribes = subscribes, .init = init, .start = ok,
    .event = event, .stop = ok, .destroy = destroy };
"""


@support.needs_root
class Answers(unittest.TestCase):
    def test_a_detector_is_told_about_which_file_a_verdict_is(self):
        with Agent() as agent:
            source, plugin = (os.path.join(agent.dir, n) for n in ("l.c", "tocsin_listener.so"))
            with open(source, "w", encoding="ascii") as f:
                f.write(LISTENER)
            subprocess.run(["cc", "-shared", "-fPIC", "-o", plugin, source,
                            "-I" + os.path.join(SOURCE, "include")], check=True)
            agent.tocsin("config", "set", "plugins.listener", "{file: %s}" % plugin)
            path = agent.path("asked")
            with open(path, "wb") as f:
                f.write(b"x")
            with open(path, "rb") as f:
                f.read()
            wait_for(lambda: agent.json("plugin", "info", "listener").get("facts", {})
                     .get("answered") == path)


if __name__ == "__main__":
    support.main()
