"""Made-up workloads for the scheduler: settings and requests, the same for the same size and seed."""

from dataclasses import dataclass
from math import ceil
from random import Random


@dataclass(frozen=True)
class Size:
    """How much one trace holds. Lengths in tokens."""

    requests: tuple[int, int]
    max_model_len: int
    prompt: int
    output: int
    max_num_seqs: tuple[int, ...]
    max_num_batched_tokens: tuple[int, ...]


SIZES = {
    "small": Size((1, 36), 1024, 80, 50, (1, 2, 4, 8, 16, 32, 64), (16, 33, 64, 128, 256, 512, 2048)),
    "medium": Size((60, 190), 4096, 250, 120, (1, 2, 4, 8, 16, 32, 64), (16, 33, 64, 256, 512, 2048)),
    "large": Size((300, 660), 16384, 700, 300, (32, 64, 128, 256), (512, 2048, 8192)),
}


def make_workload(size_name: str, seed: int) -> tuple[str, dict, list[dict]]:
    """@returns kind of workload, settings, requests"""
    random = Random(f"{size_name} {seed}")
    size = SIZES[size_name]
    kind = random.choice(list(KINDS))
    requests = KINDS[kind](random, size)
    config = make_config(random, size, requests)
    if config["policy"] == "priority":
        for request in requests:
            request["priority"] = random.randrange(4)
    if random.random() < 0.4:
        for request in requests:
            if random.random() < 0.2:
                request["abort"] = request["arrive"] + random.randrange(request["output"] + 40)
    return kind, config, requests


def make_config(random: Random, size: Size, requests: list[dict]) -> dict:
    max_num_seqs = random.choice(size.max_num_seqs)
    block_size = random.choice((16, 16, 16, 32, 128))
    return {
        "blockSize": block_size,
        "numGpuBlocks": 1 + blocks(random, block_size, max_num_seqs, requests),
        "maxNumSeqs": max_num_seqs,
        # vLLM refuses fewer tokens than sequences.
        "maxNumBatchedTokens": max(random.choice(size.max_num_batched_tokens), max_num_seqs),
        "maxModelLen": size.max_model_len,
        "longPrefillTokenThreshold": random.choice((0, 0, 0, random.randrange(8, 200))),
        "policy": random.choice(("fcfs", "fcfs", "fcfs", "priority")),
        "asyncScheduling": random.random() < 0.5,
        "watermark": random.choice((0.0, 0.0, 0.01, 0.05)),
        "reserveFullIsl": random.random() < 0.75,
        "prefixCaching": random.random() < 0.7,
    }


def blocks(random: Random, block_size: int, max_num_seqs: int, requests: list[dict]) -> int:
    """From just enough for the longest request to plenty for all that may run at once."""
    needs = sorted((ceil((length(each["prompt"]) + each["output"]) / block_size) for each in requests), reverse=True)
    at_once = sum(needs[:max_num_seqs])
    share = random.choice((0.0, 0.2, 0.35, 0.5, 0.8, 1.5))
    return max(needs[0] + random.randrange(3), round(share * at_once))


def burst(random: Random, size: Size) -> list[dict]:
    now = 0
    total = count(random, size)
    requests: list[dict] = []
    while len(requests) < total:
        for _ in range(random.randrange(1, 12)):
            requests.append(plain(random, size, len(requests), now))
        now += random.randrange(10, 200)
    return requests


def poisson(random: Random, size: Size) -> list[dict]:
    mean_gap = random.choice((0.5, 2.0, 8.0, 30.0))
    now = 0.0
    requests = []
    for i in range(count(random, size)):
        requests.append(plain(random, size, i, int(now)))
        now += random.expovariate(1 / mean_gap)
    return requests


def batch(random: Random, size: Size) -> list[dict]:
    return [plain(random, size, i, 0) for i in range(count(random, size))]


def chat(random: Random, size: Size) -> list[dict]:
    """Each turn repeats what was said before, answers included; the conversations take turns."""
    requests: list[dict] = []
    talks: list[tuple[list, int]] = []
    for i in range(count(random, size)):
        if not talks or random.random() < 0.3:
            said, now = shared_start(random, size), random.randrange(100)
        else:
            said, now = talks.pop(random.randrange(len(talks)))
        prompt = [*said, [f"u{i}", 0, draw(random, size.prompt / 2)]]
        request = finish(random, size, i, now, prompt)
        requests.append(request)
        then = [*request["prompt"], [f"o{i}", 0, request["output"]]]
        if length(then) < size.max_model_len * 0.7:
            talks.append((then, now + random.randrange(request["output"] * 2 + 20)))
    return requests


def moa(random: Random, size: Size) -> list[dict]:
    """Three experts are asked the same, an aggregator reads the question and what they said."""
    requests: list[dict] = []
    start = shared_start(random, size)
    now = 0
    for query in range(max(1, count(random, size) // 4)):
        question = [*start, [f"q{query}", 0, draw(random, size.prompt)]]
        experts = range(len(requests), len(requests) + 3)
        for i in experts:
            requests.append(finish(random, size, i, now, question))
        if random.random() < 0.6:
            answers = [[f"o{i}", 0, random.randint(1, requests[i]["output"])] for i in experts]
            then = now + random.randrange(max(requests[i]["output"] for i in experts) * 2)
            requests.append(finish(random, size, len(requests), then, [*question, *answers]))
        now += random.choice((0, 0, random.randrange(60)))
    return requests


KINDS = {"burst": burst, "poisson": poisson, "batch": batch, "chat": chat, "moa": moa}


def plain(random: Random, size: Size, i: int, now: int) -> dict:
    return finish(random, size, i, now, [*shared_start(random, size), [f"u{i}", 0, draw(random, size.prompt)]])


def shared_start(random: Random, size: Size) -> list:
    """One of three prefixes, as long as its name says in every trace of this size; or none."""
    which = random.randrange(5)
    return [[f"p{which}", 0, (7, size.prompt, 3 * size.prompt)[which]]] if which < 3 else []


def finish(random: Random, size: Size, i: int, now: int, prompt: list) -> dict:
    """A request with this prompt, cut so that an answer fits the context."""
    prompt = cut(prompt, size.max_model_len - 2)
    room = size.max_model_len - length(prompt)
    output = min(room, draw(random, size.output))
    end = random.choice(("length", "stop", "stop"))
    most = output if end == "length" else min(room, output + random.choice((0, 1, 5, 100, room)))
    return {
        "arrive": now,
        "prompt": prompt,
        "output": output,
        "end": end,
        "maxTokens": most,
        "priority": 0,
        "abort": None,
    }


def cut(prompt: list, most: int) -> list:
    segments = []
    for stream, start, tokens in prompt:
        taken = min(tokens, most)
        if taken > 0:
            segments.append([stream, start, taken])
        most -= taken
    return segments


def length(prompt: list) -> int:
    return sum(tokens for _, _, tokens in prompt)


def count(random: Random, size: Size) -> int:
    return random.randint(*size.requests)


def draw(random: Random, median: float) -> int:
    """Skewed, as lengths are."""
    return max(1, round(random.lognormvariate(0, 0.9) * median))
