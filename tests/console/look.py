#!/usr/bin/python3
"""Looks at the console with chromium, as somebody with a keyboard does.

look.py CONSOLE TOKEN-FILE SERVER CA GUN

CONSOLE_PICTURES names a directory for pictures of the pages.
"""
import json
import os
import ssl
import sys
import urllib.request
from urllib.parse import quote, urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

console, token_file, server, authority, gun = sys.argv[1:]
token = open(token_file).read().strip()
pictures = os.environ.get("CONSOLE_PICTURES")
address = urlsplit(console).netloc


def expect(found, wanted, what):
    if found != wanted:
        sys.exit(f"{what}: {found!r}, not {wanted!r}")
    print(f"{what}: {found!r}")


def start():
    options = Options()
    # as root in a container there is no sandbox; nothing but our own pages is opened
    for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--window-size=1000,900"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


def without_error(browser, page):
    said = browser.get_log("browser")
    expect(said, [], f"errors in the browser's console at {page}")


def picture(browser, name):
    if pictures:
        height = browser.execute_script("return document.documentElement.scrollHeight")
        browser.set_window_size(1000, min(max(height + 20, 500), 2000))
        browser.save_screenshot(f"{pictures}/console-{name}.png")


def tab_to(browser, text):
    """Presses Tab until the focus is on what has this text; it must be seen that it is."""
    for _ in range(60):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        focused = browser.switch_to.active_element
        if focused.text == text or focused.get_attribute("id") == text:
            outline = focused.value_of_css_property("outline-style")
            if text != "Skip to content" and outline == "none":
                sys.exit(f"the focus on {text!r} cannot be seen")
            return focused
    sys.exit(f"Tab does not lead to {text!r}")


def accessible(browser, page):
    """What people who do not see the page go by."""
    find = lambda selector: browser.find_elements(By.CSS_SELECTOR, selector)
    expect(find("html")[0].get_attribute("lang"), "en", f"the language of {page}")
    expect([len(find(part)) for part in ("h1", "main", "header nav[aria-label]")], [1, 1, 1], f"heading, content and pages of {page}")
    for table in find("table"):
        if not table.find_elements(By.TAG_NAME, "caption"):
            sys.exit(f"a table without a caption on {page}")
    for head in find("th"):
        if head.get_attribute("scope") not in ("col", "row"):
            sys.exit(f"a heading of nothing on {page}: {head.text!r}")
    for field in find("input"):
        if not find(f"label[for='{field.get_attribute('id')}']"):
            sys.exit(f"a field without a label on {page}")
    levels = [int(heading.tag_name[1]) for heading in find("h1, h2, h3")]
    if any(after > before + 1 for before, after in zip(levels, levels[1:])):
        sys.exit(f"a level of headings is left out on {page}: {levels}")


def contrast(browser, page):
    """Text against what is behind it, by WCAG 2.2, 1.4.3: at least 4.5 to 1."""
    least = browser.execute_script(
        """
        const value = (channel) => { const c = channel / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
        const light = ([r, g, b]) => 0.2126 * value(r) + 0.7152 * value(g) + 0.0722 * value(b);
        const parse = (text) => text.match(/[0-9.]+/g).map(Number);
        const behind = (element) => {
          for (let at = element; at; at = at.parentElement) {
            const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
            if (a > 0) return [r, g, b];
          }
          return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
        };
        let least = 21;
        for (const element of document.querySelectorAll('body *')) {
          if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
          const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
          least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
        }
        return least;
        """
    )
    if least < 4.5:
        sys.exit(f"text of {page} can hardly be read: contrast {least:.1f}")
    print(f"contrast of {page}: {least:.1f}")


def looked_at(browser, page):
    without_error(browser, page)
    accessible(browser, page)
    contrast(browser, page)


browser = start()
try:
    browser.get(console + "/")
    expect("acme.test" in browser.page_source, False, "without the token a repository is named")
    browser.get_log("browser")  # the 401

    browser.get(f"http://admin:{quote(token)}@{address}/")
    browser.get(console + "/")
    looked_at(browser, "all repositories")
    links = [link.text for link in browser.find_elements(By.CSS_SELECTOR, "tbody th a")]
    expect(links, ["acme.test/shop/api", "acme.test/shop/web"], "repositories")
    ends = [row.text.split()[-2:] for row in browser.find_elements(By.CSS_SELECTOR, "tbody tr")]
    expect(ends, [["1094", "targets"]] * 2, "days left, and of what")
    picture(browser, "repositories")

    # by keyboard alone: skip, narrow the list down, open one
    tab_to(browser, "Skip to content").send_keys(Keys.ENTER)
    expect(browser.switch_to.active_element.get_attribute("id"), "content", "what is skipped to")
    tab_to(browser, "prefix").send_keys("acme.test/shop/w", Keys.ENTER)
    links = [link.text for link in browser.find_elements(By.CSS_SELECTOR, "tbody th a")]
    expect(links, [gun], "repositories that begin like that")
    tab_to(browser, gun).send_keys(Keys.ENTER)
    expect(browser.find_element(By.TAG_NAME, "h1").text, gun, "the page of one repository")
    looked_at(browser, "one repository")
    picture(browser, "repository")

    # what the page says is what the server serves
    context = ssl.create_default_context(cafile=authority)
    fetch = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    served = lambda role: json.load(fetch.open(f"{server}/v2/{gun}/_trust/tuf/{role}.json"))["signed"]
    root = served("root")
    rows = {}
    for row in browser.find_elements(By.CSS_SELECTOR, "table")[0].find_elements(By.CSS_SELECTOR, "tbody tr"):
        cells = [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, td")]
        rows[cells[0]] = (cells[1], cells[-1].split())
    for role in ["root", "targets", "snapshot", "timestamp"]:
        expect(rows[role], (str(served(role)["version"]), root["roles"][role]["keyids"]), f"version and keys of {role}")
    expect(list(rows), ["root", "targets", "targets/alice", "targets/releases", "snapshot", "timestamp"], "roles")
    delegated = {entry["name"]: entry["keyids"] for entry in served("targets")["delegations"]["roles"]}
    for role, keys in delegated.items():
        expect(rows[role][1], keys, f"keys of {role}")
    signers = [entry.text for entry in browser.find_elements(By.XPATH, "//h2[.='Signers']/following-sibling::ul[1]/li")]
    expect(signers, ["alice: 1 key"], "signers")

    tab_to(browser, "Recent changes").send_keys(Keys.ENTER)
    expect(browser.find_element(By.TAG_NAME, "h1").text, "Recent changes", "the page of changes")
    looked_at(browser, "changes")
    picture(browser, "changes")
    first = browser.find_element(By.CSS_SELECTOR, "tbody tr").text
    expect("acme.test/tools deleted" in first, True, "the newest change is the deletion")
    tab_to(browser, "acme.test/tools").send_keys(Keys.ENTER)
    expect("Nothing is stored of it any more." in browser.page_source, True, "what is deleted is told")
    browser.get_log("browser")  # the 404

    # where there is less light, and on a narrow screen
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    browser.set_window_size(400, 800)
    for page in ["/", f"/repository?gun={quote(gun)}", "/changes"]:
        browser.get(console + page)
        looked_at(browser, f"{page} in the dark")
        wide = browser.execute_script("return document.documentElement.scrollWidth > document.documentElement.clientWidth")
        expect(wide, False, f"{page} has to be moved sideways on a narrow screen")
finally:
    browser.quit()
