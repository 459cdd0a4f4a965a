# SPDX-License-Identifier: Apache-2.0
"""The portal as people see it, in a real browser: from the start of an agent that waits for approval
to two alerts, the approval by its button, a file given back, and the way out.

With TOCSIN_SCREENSHOTS=DIR it leaves pictures there; with TOCSIN_AXE=axe.min.js every page is looked
at by axe-core."""

import base64
import os
import shutil
import subprocess
import tempfile
import unittest

try:
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.ui import WebDriverWait
except ImportError:
    webdriver = None

from guarded import Guarded
from portal import Portal
from support import BUILD, EICAR, SOURCE, main, needs_root, wait_for

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
PAGES = ["machine", "case", "history", "sensors", "tap", "network", "config"]
SHOTS = os.environ.get("TOCSIN_SCREENSHOTS")
AXE = os.environ.get("TOCSIN_AXE")
PATIENCE = 30

RULES = "  trace: {}\n  edr: {rules: [%s]}\n" % os.path.join(SOURCE, "config/rules/sigma")


def browser(folder):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--hide-scrollbars", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--user-data-dir=" + folder, "--window-size=1440,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service(DRIVER), options=options)


@needs_root
@unittest.skipUnless(webdriver and os.path.exists(CHROMIUM) and os.path.exists(DRIVER),
                     "chromium, chromium-driver and python3-selenium are not installed")
class Browser(unittest.TestCase):
    def setUp(self):
        folder = tempfile.mkdtemp(prefix="tocsin-browser-")
        self.addCleanup(shutil.rmtree, folder, True)
        self.agent = Guarded(approval="timeout: 5m", plugins=RULES)
        self.addCleanup(self.agent.__exit__, None, None, None)
        self.agent.__enter__()
        self.portal = Portal(self.agent)
        self.portal.__enter__()
        self.addCleanup(self.portal.__exit__)
        self.page = browser(folder)
        self.addCleanup(self.page.quit)

    # ---- looking ----

    def find(self, css):
        return WebDriverWait(self.page, PATIENCE).until(
            lambda p: p.find_element(By.CSS_SELECTOR, css), css)

    def shows(self, css, text):
        def look(page):
            return [e for e in page.find_elements(By.CSS_SELECTOR, css) if text in e.text]
        return WebDriverWait(self.page, PATIENCE, ignored_exceptions=[Exception]).until(
            look, "%s with %r" % (css, text))[0]

    def press(self, css, text):
        """Presses the button of that name, by the keyboard."""
        def press(page):
            for button in page.find_elements(By.CSS_SELECTOR, css):
                if button.text == text:
                    button.send_keys(Keys.ENTER)
                    return True
            return False
        WebDriverWait(self.page, PATIENCE, ignored_exceptions=[Exception]).until(
            press, "%s called %r" % (css, text))

    def unfold(self, title):
        """Opens the alert of that title, by the keyboard; the list may be drawn anew meanwhile."""
        def unfold(page):
            for button in page.find_elements(By.CSS_SELECTOR, "ul.alerts button.row"):
                if title in button.text:
                    button.send_keys(Keys.ENTER)
                    return True
            return False
        WebDriverWait(self.page, PATIENCE, ignored_exceptions=[Exception]).until(unfold, title)

    def press_row(self, css):
        def press(page):
            page.find_element(By.CSS_SELECTOR, css + " button.row").send_keys(Keys.ENTER)
            return True
        WebDriverWait(self.page, PATIENCE, ignored_exceptions=[Exception]).until(press, css)

    def go(self, page):
        self.page.get("%s/#/%s" % (self.portal.home, page))
        self.find("main .page > *")

    def quiet_console(self):
        self.assertEqual([e["message"] for e in self.page.get_log("browser")
                          if e["level"] in ("SEVERE", "WARNING")], [])
        self.assertFalse(self.find("#banner").is_displayed())

    def accessible(self, page):
        if not AXE:
            return
        with open(AXE, encoding="utf-8") as f:
            self.page.execute_script(f.read())
        found = self.page.execute_async_script(
            "axe.run().then((r) => arguments[0](r.violations.filter((v) => "
            "['serious', 'critical'].includes(v.impact)).map((v) => v.id + ' ' + v.nodes[0].target)))")
        self.assertEqual(found, [], page)

    def filled(self, page):
        """Waits until a page that shows what happens has something to show."""
        if page == "sensors":
            self.shows(".chart strong", "a second")
        if page == "tap":
            topics = self.find("#topics")
            topics.clear()
            topics.send_keys("file.* verdict.* alert.*")
            self.find("#filter").send_keys("file.path=%s/*" % self.agent.path("").rstrip("/"), Keys.ENTER)
            self.shows("main", "Waiting for events")
            with open(self.agent.path("report.txt"), "w", encoding="ascii") as f:
                f.write("harmless")
            subprocess.run(["cat", f.name], check=True, stdout=subprocess.DEVNULL)
            self.shows(".tap .topic", "file.open")

    def picture(self, name):
        shot = self.page.execute_cdp_cmd("Page.captureScreenshot", {"format": "webp", "quality": 82})
        with open(name, "wb") as f:
            f.write(base64.b64decode(shot["data"]))

    def picture_all(self):
        for scheme in ("light", "dark"):
            self.page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
                {"name": "prefers-color-scheme", "value": scheme}]})
            for width, height in ((1440, 900), (390, 844)):
                self.page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                    "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
                for page in PAGES:
                    self.go(page)
                    self.filled(page)
                    self.accessible("%s, %d, %s" % (page, width, scheme))
                    wide = self.page.execute_script(
                        "return document.documentElement.scrollWidth - document.documentElement.clientWidth")
                    self.assertLessEqual(wide, 0, "%s is wider than %d" % (page, width))
                    if SHOTS:
                        self.picture(os.path.join(SHOTS, "%s-%d-%s.webp" % (page, width, scheme)))
        self.page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    # ---- the scenario ----

    def test_from_the_start_to_two_alerts(self):
        self.page.get(self.portal.link())
        self.shows(".hero", "kernel extension")
        for gate in ("System extension", "Full disk access"):
            self.shows(".pending", gate)
            self.press(".pending button", "Approve")
        self.shows(".hero", "system extension")
        self.shows(".promises .kept", "Scanning")

        with open(self.agent.path("test.com"), "wb") as f:
            f.write(EICAR)
        self.shows("ul.alerts li", "EICAR-Test-File")
        self.agent.tocsin("edr", "selftest", status=None)
        self.unfold("EDR self-test")
        self.shows(".detail", "download.sh")
        self.shows(".detail dd", "Somebody who sees whether alerts arrive")
        self.quiet_console()

        self.go("config")
        self.shows("tbody .from", "tocsin.yaml:")
        self.picture_all()
        self.close_a_case()
        self.go("history")
        self.shows("tbody tr", "quarantined")
        self.press("tbody button", "Restore")
        self.press("dialog button", "Restore")
        self.shows("tbody tr", "restored")
        self.assertTrue(os.path.exists(self.agent.path("test.com")))
        self.quiet_console()

        self.press("#who button", "Log out")
        self.shows("main", "sudo tocsin portal login")
        self.page.get(self.portal.home + "/#/machine")
        self.shows("main", "sudo tocsin portal login")

    def close_a_case(self):
        """The case of the self-test as a timeline, closed with a note, is no open alert any more."""
        self.go("machine")
        self.unfold("EDR self-test")
        self.shows(".detail a", "as one timeline")
        # Others on this machine may test theirs: it is this one that counts.
        this = "[data-alert='%s']" % self.page.execute_script(
            "return document.querySelector('button.row[aria-expanded=true]').parentNode.dataset.alert")
        self.shows(this + " .detail a", "as one timeline").send_keys(Keys.ENTER)
        self.shows("ol.alerts li", "EDR self-test")
        self.shows(".tree .it", "alert 1")
        self.press("main button", "Close the case")
        self.find("dialog input").send_keys("an exercise", Keys.ENTER)
        self.shows("main button", "Open it again")
        self.quiet_console()
        self.go("machine")
        self.find("ul.alerts li")
        wait_for(lambda: not self.page.find_elements(By.CSS_SELECTOR, this))
        self.find("#state").send_keys("closed")
        self.press_row(this)
        self.shows(this + " .detail", "an exercise")
        self.quiet_console()

    def test_names_that_look_like_a_page_are_shown_and_not_run(self):
        name = "<img src=x onerror=document.title='run'><script>alert(1)"
        self.page.get(self.portal.link("--viewer"))
        self.find(".hero")
        with open(self.agent.path(name), "wb") as f:
            f.write(EICAR)
        self.go("history")
        self.shows("tbody td", name)
        self.assertEqual(self.page.title, "Protection history – Tocsin")
        self.assertEqual(self.page.find_elements(By.CSS_SELECTOR, "main img"), [])
        # A viewer is shown no button that would be refused.
        self.assertEqual(self.page.find_elements(By.CSS_SELECTOR, "td.actions button"), [])
        self.quiet_console()

    def test_an_agent_that_goes_is_said_and_one_that_comes_back_seen(self):
        self.page.get(self.portal.link())
        self.find(".hero")
        self.agent.stop()
        self.shows("#banner", "The agent does not answer")
        self.agent.start()
        wait_for(lambda: not self.find("#banner").is_displayed())
        self.shows(".hero", "rotected")
        self.agent.stop()
        self.shows("#banner", "The agent does not answer")
        self.page.get(self.portal.home + "/#/history")
        self.shows(".empty.bad", "This cannot be shown")
        self.shows(".empty.bad button", "Try again")
        self.agent.start()
        self.shows("main select", "quarantined")  # by itself


if __name__ == "__main__":
    main()
