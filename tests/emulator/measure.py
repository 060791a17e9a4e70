"""What an invocation costs beyond inference: start-up, waiting for S3, memory; of a thousand images on the emulator. Run by measure.sh."""

import json
import statistics
import tempfile
from pathlib import Path

import cloud
import pictures


def table(stack):
    print(
        f"{'function':<12} {'calls':>5} {'cold start ms':>14} {'median ms':>10} {'CPU busy':>9} {'peak MB':>8} {'of MB':>6}"
    )
    for function in cloud.STAGES:
        calls = stack.invocations(function)
        cold = [call["init_ms"] for call in calls if call["cold"]]
        warm = [call for call in calls if not call["cold"]] or calls
        busy = sum(call["cpu_ms"] for call in warm) / sum(call["ms"] for call in warm)
        print(
            f"{function:<12} {len(calls):>5} {max(cold):>14.0f} {statistics.median(call['ms'] for call in warm):>10.1f} {busy:>9.0%} "
            f"{max(call['peak_mb'] for call in calls):>8} {calls[0]['memory_mb']:>6}"
        )


def main():
    cloud.require_binaries()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = pictures.draw(folder / "pictures", 1024)
        emulator = cloud.Emulator(folder, cloud.make_model(folder / "model"))
        try:
            stack = emulator.deploy("pomona-0")
            stack.upload(images)
            # One child at a time, so that the functions have the machine to themselves.
            stack.succeed(max_concurrency=1)
            table(stack)
            # A shard whose part exists costs nothing but the invocation.
            [*_, last] = [call for call in stack.invocations("list-batch")]
            functions = emulator.client("lambda")
            for _ in range(20):
                functions.invoke(FunctionName="pomona-0-list-batch", Payload=json.dumps(last["event"])).get(
                    "Payload"
                ).read()
            again = [call["ms"] for call in stack.invocations("list-batch")[-20:]]
            print(f"list-batch, warm, nothing to compute: median {statistics.median(again):.1f} ms")
        finally:
            emulator.stop()


if __name__ == "__main__":
    main()
