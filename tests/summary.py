"""summary.py LOGS: how many tests ran, how many did not and why, from what cargo's and pytest's runners printed, one file a suite.

A test that one suite left out and another ran did run: the reference suite runs what the others only name. Ends with an error where a
suite's log holds no test or a failed one.
"""

import re
import sys
from pathlib import Path

CARGO_TEST = re.compile(
    r"^test (?P<name>.+?) \.\.\. (?P<outcome>ok|FAILED|ignored)(?:, (?P<reason>.*))?$", re.MULTILINE
)
CARGO_TOTAL = re.compile(
    r"^test result: \w+\. (?P<passed>\d+) passed; (?P<failed>\d+) failed; (?P<skipped>\d+) ignored", re.MULTILINE
)
PYTEST_SKIP = re.compile(r"^SKIPPED \[(?P<count>\d+)\] \S+ (?P<reason>.*)$", re.MULTILINE)
PYTEST_TOTAL = re.compile(
    r"^=*\s*(?P<counts>\d+ (?:passed|failed|skipped|error|xfailed|deselected).*?) in [\d.]+s", re.MULTILINE
)


class Suite:
    """What a suite's log says: counts, and the reason of each test that did not run."""

    def __init__(self, log):
        self.name = log.stem
        text = log.read_text()
        self.passed = self.failed = 0
        self.ran, self.skipped = set(), []
        for total in CARGO_TOTAL.finditer(text):
            self.passed += int(total["passed"])
            self.failed += int(total["failed"])
        for test in CARGO_TEST.finditer(text):
            if test["outcome"] == "ignored":
                self.skipped.append((test["name"], test["reason"] or "no reason given"))
            else:
                self.ran.add(test["name"])
        for total in PYTEST_TOTAL.finditer(text):
            counts = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", total["counts"])}
            self.passed += counts.get("passed", 0)
            self.failed += counts.get("failed", 0) + counts.get("error", 0) + counts.get("errors", 0)
        for skip in PYTEST_SKIP.finditer(text):
            self.skipped += [(f"{self.name} suite", skip["reason"])] * int(skip["count"])


suites = [Suite(log) for log in sorted(Path(sys.argv[1]).glob("*.txt"), key=lambda log: log.stat().st_mtime)]
ran = set().union(*(suite.ran for suite in suites))
skipped = [(name, reason) for suite in suites for name, reason in suite.skipped if name not in ran]
passed, failed = (sum(getattr(suite, count) for suite in suites) for count in ("passed", "failed"))

print("\nTests, by suite")
for suite in suites:
    print(f"  {suite.name:<12} {suite.passed:>5} passed" + (f", {suite.failed} failed" if suite.failed else ""))
for reason in sorted({reason for _, reason in skipped}):
    names = [name for name, why in skipped if why == reason]
    print(f"{len(names)} skipped: {reason}")
    print(*(f"  {name}" for name in names), sep="\n")
if not skipped:
    print("none skipped")
print(f"{passed} passed, {failed} failed, {len(skipped)} skipped")
print("Not asked for here, because they take longer or need more: make network, world, fuzz, browser, spark, arm64")
if failed or not suites or not all(suite.passed for suite in suites):
    sys.exit("a suite failed or ran no test")
