"""One page under four lights: light and dark, desk and phone; axe, overflow, pictures."""

from __future__ import annotations

import os
from typing import Any

from playwright.sync_api import Page

from tests import needs

DESKTOP, PHONE = (1280, 900), (390, 844)

#: Every rule of axe that is on by default is used, its best practices too. The themes
#: differ in colours only, so the dark one is asked about colours.
RUN = """async (rules) => (await axe.run(document, {
  resultTypes: ["violations"],
  ...(rules.length ? {runOnly: {type: "rule", values: rules}} : {}),
})).violations"""
COLOURS = ["color-contrast", "link-in-text-block"]

#: How far what is seen has moved by itself since the page began, as browsers count it.
SHIFTED = """() => new Promise((done) => {
  let sum = 0;
  const add = (list) => list.getEntries().forEach((entry) => { sum += entry.value; });
  const options = { type: "layout-shift", buffered: true };
  new PerformanceObserver(add).observe(options);
  setTimeout(() => done(sum), 300);
})"""

#: What sticks out to the right, unless something around it scrolls or cuts it off.
STICKING_OUT = """() => {
  const root = document.documentElement;
  if (root.scrollWidth <= root.clientWidth) return [];
  const held = (node) => {
    for (let at = node.parentElement; at && at !== document.body; at = at.parentElement)
      if (getComputedStyle(at).overflowX !== "visible") return true;
    return false;
  };
  const out = [...document.body.querySelectorAll("*")].filter((node) =>
    node.getBoundingClientRect().right > root.clientWidth + 1 && !held(node));
  return [`the page is ${root.scrollWidth} wide in ${root.clientWidth}`,
    ...out.slice(0, 5).map((node) => node.outerHTML.slice(0, 160))];
}"""

#: Marks that the browser has not found in the file of drawings, which it may be reading.
UNDRAWN = """async () => {
  const out = () => [...document.querySelectorAll("svg use")].filter((use) =>
    use.checkVisibility() && !use.getBBox().width);
  for (let n = 0; out().length && n < 50; n++) await new Promise((r) => setTimeout(r, 100));
  return out().slice(0, 5).map((use) => `not drawn: ${use.href.baseVal}`);
}"""

#: The theme's class is what the switch in the sidebar sets.
THEME = "dark => document.documentElement.classList.toggle('dark', dark)"


#: The calendar draws itself anew a tenth of a second after a resize: whoever clicks in
#: that moment presses a card and lets go of another.
LAID_OUT = """() => document.querySelector(".fc") && new Promise((done) =>
  setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 300))"""


def faults_of(page: Page, name: str, shots: Any = None) -> list[str]:
    """Faults of the page as it stands, in words.

    shots(page, name) takes a picture of each light that shows a fault; SCREENSHOTS=1
    has it take all of them, to be looked at.
    """
    found: dict[str, list[str]] = {}
    was = page.viewport_size
    page.evaluate(needs.AXE.read_text())
    for width, height in (DESKTOP, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            page.evaluate(THEME, theme == "dark")
            words = [
                f"{rule['id']}: {node['html'][:200]} ({'; '.join(_why(node))})"
                for rule in page.evaluate(RUN, COLOURS if theme == "dark" else [])
                for node in rule["nodes"][:4]
            ]
            words += page.evaluate(STICKING_OUT)
            words += page.evaluate(UNDRAWN)
            for fault in words:
                found.setdefault(fault, []).append(f"{width} {theme}")
            if shots and (words or os.environ.get("SCREENSHOTS") == "1"):
                shots(page, f"screenshots/{name}-{width}-{theme}")
    page.emulate_media(color_scheme="light")
    page.evaluate(THEME, False)
    if was:
        page.set_viewport_size(was)
        page.evaluate(LAID_OUT)
    return [f"{name} ({', '.join(at)}): {fault}" for fault, at in found.items()]


def _why(node: dict[str, Any]) -> list[str]:
    checks = [*node["any"], *node["all"], *node["none"]]
    return [check["message"] for check in checks][:2]
