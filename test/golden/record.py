"""Records what the scheduler of the installed vLLM does, as JSON Lines in the format of README.md.

    python record.py OUT.jsonl.gz --size small --seeds 0:300
    python record.py OUT.jsonl.gz --again RECORDED.jsonl.gz     # the workloads of earlier recordings, under this vLLM
"""

import argparse
import gzip
import json
import os
from collections.abc import Iterator

# Before vLLM is imported: no GPU is looked for, nobody is told.
os.environ.update(VLLM_TARGET_DEVICE="cpu", HF_HUB_OFFLINE="1", VLLM_NO_USAGE_STATS="1", VLLM_LOGGING_LEVEL="ERROR")

from drive import record  # noqa: E402
from workloads import SIZES, make_workload  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--seeds", default="0:300", help="first:end")
    parser.add_argument("--again", nargs="*", help="recordings whose workloads to record again")
    args = parser.parse_args()
    workloads = earlier(args.again) if args.again else fresh(args.size, args.seeds)
    # No file name and no time in the gzip header: equal recordings are equal bytes.
    with open(args.out, "wb") as file, gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
        for name, kind, config, requests in workloads:
            line = json.dumps(record(name, kind, config, requests), separators=(",", ":"))
            packed.write(line.encode() + b"\n")


def fresh(size: str, seeds: str) -> Iterator[tuple[str, str, dict, list[dict]]]:
    first, end = (int(part) for part in seeds.split(":"))
    for seed in range(first, end):
        yield f"{size}-{seed}", *make_workload(size, seed)


def earlier(files: list[str]) -> Iterator[tuple[str, str, dict, list[dict]]]:
    for file in files:
        with gzip.open(file, "rt") as lines:
            for trace in map(json.loads, lines):
                requests = [{k: v for k, v in each.items() if k != "preemptions"} for each in trace["requests"]]
                yield trace["name"], trace["workload"], trace["config"], requests


if __name__ == "__main__":
    main()
