"""check_reports.py RUNS SCREENSHOTS: opens the report of every run below RUNS, on a phone and on a desk, light and dark."""

import csv
import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

WIDTHS = {"phone": 390, "desk": 1280}
SCHEMES = ["light", "dark"]
# Chromium runs as root in containers, and must not look for its own services.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# WCAG 2.2, success criterion 1.4.3.
LEAST_CONTRAST = 4.5
LEAST_FONT_SIZE = 12

TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", event => console.error("policy: " + event.violatedDirective + " " + event.blockedURI))
"""

# Every element with text of its own: the text, its size in pixels and its contrast against the page.
TEXTS = """
() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 })
        .getContext("2d", { willReadFrequently: true });
    const luminance = colour => {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const linear = Array.from(canvas.getImageData(0, 0, 1, 1).data.slice(0, 3), byte => byte / 255)
            .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const paper = luminance(getComputedStyle(document.body).backgroundColor);
    const ownText = node => Array.from(node.childNodes).filter(child => child.nodeType === 3).map(child => child.data).join("").trim();
    return Array.from(document.body.querySelectorAll("*"))
        .filter(node => !["STYLE", "title"].includes(node.tagName) && ownText(node))
        .map(node => {
            const style = getComputedStyle(node);
            const ink = luminance(node.namespaceURI.endsWith("svg") ? style.fill : style.color);
            const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
            return { text: ownText(node), size: parseFloat(style.fontSize), contrast };
        });
}
"""


class Opened:
    """A page in a window of its own, with everything that went wrong while it was opened."""

    def __init__(self, browser: Browser, file: Path, width: int, scheme: str):
        self.context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
        self.page: Page = self.context.new_page()
        self.troubles: list[str] = []
        address = file.as_uri()
        self.page.add_init_script(TELL_VIOLATIONS)
        self.page.on("console", lambda message: self.troubles.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("dialog", self.dismiss)
        self.page.on(
            "request",
            lambda request: request.url in (address, "data:,") or self.troubles.append(f"request: {request.url}"),
        )
        self.page.goto(address)

    def dismiss(self, dialog):
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


def visible(text: str) -> str:
    """A label as the report shows it: control characters by their pictures."""
    return "".join(chr(0x2400 + ord(character)) if character < " " else character for character in text)


def expected_points(info: dict) -> int:
    return info["num_images_processed"] if info["total_variance"] > 0 else 0


def check_numbers(page: Page, run: Path):
    info = json.loads((run / "model_info/model_info.json").read_text())
    assert page.title() == f"Pomona run {run.name}", page.title()
    figures = dict(
        zip(page.locator(".figures dt").all_text_contents(), page.locator(".figures dd").all_text_contents())
    )
    rejects = sum(info["rejects"].values())
    for name, number in [
        ("images", info["num_images_listed"]),
        ("used", info["num_images_processed"]),
        ("rejects", rejects),
        ("classes", info["num_classes"]),
        ("components", info["pca_components"]),
    ]:
        assert figures[name].startswith(f"{number:,}"), (name, number, figures)
    points = page.locator(".scatter circle title").all_text_contents()
    assert len(points) == expected_points(info), (len(points), info)
    rows = page.locator("section[aria-labelledby=rejects] tbody tr").count()
    assert rows == len(info["rejects"]), (rows, info["rejects"])


def check_labels(page: Page, run: Path):
    with open(run / "classes/classes.csv", newline="", encoding="utf-8") as file:
        labels = [visible(row["class"]) or "no label" for row in csv.DictReader(file)]
    shown = page.locator("section[aria-labelledby=classes] tbody th").all_text_contents()
    assert shown == labels, (shown, labels)
    paths = [title.split("\n")[-1] for title in page.locator(".scatter circle title").all_text_contents()]
    with_features = set()
    for metadata in (run / "metadata").glob("*.csv"):
        with open(metadata, newline="", encoding="utf-8") as file:
            with_features |= {visible(row["path"]) for row in csv.DictReader(file)}
    assert not paths or set(paths) == with_features, set(paths) ^ with_features


def check_legibility(page: Page, width: int):
    needed = page.evaluate("document.documentElement.scrollWidth")
    assert needed <= width, f"the page needs {needed} of {width} pixels"
    texts = page.evaluate(TEXTS)
    assert len(texts) > 50, texts
    for text in texts:
        assert text["contrast"] >= LEAST_CONTRAST and text["size"] >= LEAST_FONT_SIZE, text


def check_choice(page: Page):
    """A click on a class leaves its points and fades the others."""
    buttons = page.locator(".scatter input")
    if buttons.count() == 0:
        return
    opacities = """name => Array.from(document.querySelectorAll(".scatter circle"))
        .map(circle => [circle.classList.contains(name), Number(getComputedStyle(circle).opacity)])"""
    for button in [buttons.nth(1), buttons.last]:
        button.check()
        found = page.evaluate(opacities, button.get_attribute("id").removeprefix("only-"))
        assert all((opacity == 1) == chosen for chosen, opacity in found), found
    buttons.first.check()
    assert all(opacity == 1 for _, opacity in page.evaluate(opacities, "all"))


def check_run(browser: Browser, name: str, run: Path, screenshots: Path):
    report = run / "report/report.html"
    ElementTree.fromstring(report.read_text(encoding="utf-8"))
    for device, width in WIDTHS.items():
        for scheme in SCHEMES:
            with Opened(browser, report, width, scheme) as opened:
                check_legibility(opened.page, width)
                check_numbers(opened.page, run)
                check_labels(opened.page, run)
                opened.page.screenshot(path=screenshots / f"{name}-{device}-{scheme}.png", full_page=True)
                check_choice(opened.page)
                assert not opened.troubles, opened.troubles
    print(f"{name}: good")


def check_that_trouble_is_noticed(browser: Browser, run: Path, folder: Path):
    """The page's own policy stops what an attacker might have smuggled in, and the check above would have seen it."""
    smuggled = "<body><script>alert(1)</script><img src='http://127.0.0.1:9/x.png' onerror='alert(2)'/>"
    file = folder / "smuggled.html"
    file.write_text(
        (run / "report/report.html").read_text(encoding="utf-8").replace("<body>", smuggled, 1), encoding="utf-8"
    )
    with Opened(browser, file, 1280, "light") as opened:
        opened.page.wait_for_timeout(200)
        policies = [trouble for trouble in opened.troubles if trouble.startswith("console: policy:")]
        assert any("script-src" in policy for policy in policies) and any("img-src" in policy for policy in policies), (
            opened.troubles
        )
        assert not any(trouble.startswith("dialog") for trouble in opened.troubles), opened.troubles


def main(runs: Path, screenshots: Path):
    screenshots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for folder in sorted(runs.iterdir()):
            results = folder / "results"
            run = results / json.loads((results / "latest.json").read_text())["folder"]
            check_run(browser, folder.name, run, screenshots)
        check_that_trouble_is_noticed(browser, run, runs)
        browser.close()


main(Path(sys.argv[1]), Path(sys.argv[2]))
