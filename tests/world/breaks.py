#!/usr/bin/env python3
"""Breaks the product on purpose, each way for itself, and tells after how many seeds the world finds it.

    tests/world/breaks.py [NAME]...

A seed that fails without a break, too, is none: it is told, and ends this. Works in a copy of the committed tree and
leaves this one alone. The copy is compiled into a folder of its own, or that of CARGO_TARGET_DIR, so the first break
may take as long as a first build. A break that is not found within 10,000 seeds is a failure.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WORKSPACE = Path(__file__).resolve().parents[2]
MOST_SEEDS = 10_000
AT_ONCE = 100

# Name: file, what stands there, what stands there instead.
BREAKS = {
    "a lock is taken over without If-Match": (
        "shared/stages/src/lock.rs",
        "match store.replace(LOCK, json::encode(LOCK, &mine)?, &stored.etag()).await {",
        "match store.put(LOCK, json::encode(LOCK, &mine)?).await {",
    ),
    "whoever holds the lock is taken to be gone": (
        "shared/stages/src/lock.rs",
        "if holders.is_gone(&theirs).await =>",
        "if holders.is_gone(&theirs).await || true =>",
    ),
    "a lock whose time is over is taken at once": (
        "shared/stages/src/lock.rs",
        "            watch(store, &stored, &theirs).await?;\n",
        "            let _ = (watch, &theirs);\n",
    ),
    "the lock is not renewed": (
        "shared/stages/src/lock.rs",
        "const RENEWAL: Duration = Duration::from_secs(20);\n",
        "const RENEWAL: Duration = Duration::from_secs(1 << 30);\n",
    ),
    "a report removes the tables of runs that were planned since": (
        "shared/stages/src/retention.rs",
        """    let older = stream::iter(planned.before(&newest)).map(has_tables).buffered(pace::REQUESTS);
    let older: Vec<Option<&RunId>> = older.try_collect().await?;
    for run_id in older.into_iter().flatten().skip(keep.get() as usize - 1) {
        // One that was planned before may have been planned again since, and be the newest one now.
        if latest::read(output).await?.is_none_or(|latest| latest.run_id != newest) {
            return Ok(());
        }
""",
        """    let older = stream::iter(planned.as_sources(Some(&newest)).skip(1)).map(has_tables).buffered(pace::REQUESTS);
    let older: Vec<Option<&RunId>> = older.try_collect().await?;
    for run_id in older.into_iter().flatten().skip(keep.get() as usize - 1) {
""",
    ),
    "moments are written before the features that they vouch for": (
        "shared/stages/src/part.rs",
        """        try_join(output.put(&features_key, self.features), output.put(&rejects_key, self.rejects)).await?;
        Ok(output.put(&key, moments).await?)
""",
        """        output.put(&key, moments).await?;
        try_join(output.put(&features_key, self.features), output.put(&rejects_key, self.rejects)).await?;
        Ok(())
""",
    ),
    "an image is read whatever its etag is": (
        "shared/dataset/src/reader.rs",
        "        let mut opened = self.store.get_all_if_match(&opened.collect::<Vec<_>>()).await?.into_iter();\n",
        """        let mut read = Vec::new();
        for (id, _) in opened {
            read.push(self.store.get(id).await.map(|stored| stored.bytes));
        }
        let mut opened = read.into_iter();
""",
    ),
    "a part is made again although it exists": (
        "shared/stages/src/extract.rs",
        "if part::exists(self.output, &shard.part).await? {",
        "if part::exists(self.output, &shard.part).await? && false {",
    ),
    "the lock is not given back": (
        "shared/lambda/src/report.rs",
        "        lock::release(output.as_ref(), &run_id).await?;\n",
        "        let _ = lock::release;\n",
    ),
    "a message is promised and not sent": (
        "shared/lambda/src/trigger/follow_up.rs",
        "    queue.send(BODY, DELAY).await?;\n",
        "    let _ = (queue, DELAY);\n",
    ),
    "a message that has arrived is still relied upon": (
        "shared/lambda/src/trigger.rs",
        "if batch.brings_follow_up() {",
        "if batch.brings_follow_up() && false {",
    ),
    "features are taken over by an image's name alone": (
        "shared/stages/src/earlier.rs",
        "        let contents = rows.iter().map(|row| (row.item.id.as_str(), row.item.content()));\n",
        """        let of_name = |row: &Row| self.wanted.iter().find(|wanted| wanted.id == row.item.id).cloned();
        let contents = rows.iter().map(|row| (row.item.id.as_str(), of_name(row).unwrap_or_else(|| row.item.content())));
""",
    ),
    "latest.json is not moved forward": (
        "shared/stages/src/report.rs",
        "        latest::move_forward(output, run_id, plan.follows.as_ref()).await?;\n",
        "        let _ = (latest::move_forward, &plan.follows);\n",
    ),
    "a new plan writes over the listings of the one before": (
        "shared/run/src/layout.rs",
        "&sha256[..sha256.len().min(LISTING_DIGITS)]",
        "&\"0000000000000000\"[..sha256.len().min(LISTING_DIGITS)]",
    ),
    "each report has its own time": (
        "shared/stages/src/report.rs",
        "timestamp: timings.last().map_or(plan.started, |last| last.finished),",
        "timestamp: pomona_run::clock::now(),",
    ),
    "a function logs what an error says": (
        "shared/lambda/src/edge.rs",
        'tracing::error!(error = error.name().as_str(), outline = error.outline(), "the invocation failed");',
        'tracing::error!(error = error.name().as_str(), outline = %error, "the invocation failed");',
    ),
    "a plan lists what was erased": (
        "shared/stages/src/plan.rs",
        "        listed.items.retain(|item| !suppressed.has(&item.id));\n",
        "        listed.items.retain(|item| !suppressed.has(&item.id) || true);\n",
    ),
    "a plan leaves out an image where there was a run before": (
        "shared/stages/src/plan.rs",
        "    if listed.items.is_empty() { Err(no_images(input, options, &listed)) } else { Ok(listed) }\n",
        """    if latest::read_to_replace(output).await?.is_some() && listed.items.len() > 1 {
        listed.items.pop();
    }
    if listed.items.is_empty() { Err(no_images(input, options, &listed)) } else { Ok(listed) }
""",
    ),
    "an erasure leaves the sums": (
        "shared/stages/src/erase/removal.rs",
        "Ok(self.delete_traces(&traces).await? && self.delete_sums().await?)",
        "Ok(self.delete_traces(&traces).await? || self.delete_sums().await?)",
    ),
}


def build_world(tree, target):
    build = ["cargo", "build", "--quiet", "--release", "--locked", "--workspace", "--bin", "world"]
    subprocess.run(build, cwd=tree, env={**os.environ, "CARGO_TARGET_DIR": str(target)}, check=True)
    return target / "release/world"


def failing(world, first, count):
    """The first of these seeds that fails, and by what; nothing where none does."""
    lived = subprocess.run([world, str(first), str(count)], capture_output=True, text=True, timeout=1_800, check=False)
    found = re.findall(r"^seed (\d+): ([^:]+)", lived.stdout, re.MULTILINE)
    return min(((int(seed), invariant) for seed, invariant in found), default=None)


def broken(tree, target, name, sound_world):
    """After how many seeds the world finds this break in the tree, and by what; nothing where it does not."""
    file, sound, wrong = BREAKS[name]
    path = tree / file
    text = path.read_text()
    if text.count(sound) != 1:
        raise SystemExit(f"{name}: {file} does not have this place once: {sound}")
    path.write_text(text.replace(sound, wrong))
    try:
        world = build_world(tree, target)
        for first in range(0, MOST_SEEDS, AT_ONCE):
            if found := failing(world, first, AT_ONCE):
                seed, invariant = found
                if failing(sound_world, seed, 1):
                    raise SystemExit(f"seed {seed} fails without a break, too: {invariant}")
                return seed + 1, invariant
        return None
    finally:
        path.write_text(text)


def main():
    names = sys.argv[1:] or list(BREAKS)
    if unknown := [name for name in names if name not in BREAKS]:
        raise SystemExit(f"there is no break called {unknown[0]}")
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        target = Path(os.environ.get("CARGO_TARGET_DIR", Path(folder) / "target"))
        subprocess.run(["git", "clone", "--quiet", WORKSPACE, tree], check=True)
        sound_world = shutil.copy(build_world(tree, target), Path(folder) / "sound-world")
        missed = False
        for name in names:
            found = broken(tree, target, name, sound_world)
            missed |= found is None
            print(f"| {name} | {found[0]:,} | {found[1]} |" if found else f"| {name} | NOT FOUND | |", flush=True)
    sys.exit(missed)


if __name__ == "__main__":
    main()
