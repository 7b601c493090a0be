"""Drives vLLM's own scheduler through one workload and notes what every step of it does."""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
import vllm
from vllm.config import CacheConfig, ModelConfig, SchedulerConfig, VllmConfig
from vllm.sampling_params import SamplingParams
from vllm.utils.hashing import sha256_cbor
from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.output import SchedulerOutput
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.request import Request, RequestStatus
from vllm.v1.structured_output import StructuredOutputManager

END_TOKEN = 0
# Tokens of one stream lie in a range of their own; no stream is longer.
STREAM_TOKENS = 1 << 24

ENGINE = f"vllm {vllm.__version__.split('+')[0]}"


def record(name: str, workload: str, config: dict, requests: list[dict]) -> dict:
    """One trace in the format of the recordings. `requests` as there, but for `preemptions`, which are found out."""
    drive = Drive(config, requests)
    steps = drive.run()
    counted = [{**request, "preemptions": drive.preemptions[i]} for i, request in enumerate(requests)]
    return {
        "format": 1,
        "name": name,
        "workload": workload,
        "engine": ENGINE,
        "config": config,
        "requests": counted,
        "steps": merge(steps),
    }


class Drive:
    def __init__(self, config: dict, requests: list[dict]) -> None:
        self.config = config
        self.requests = requests
        self.preemptions = [0] * len(requests)
        self.scheduler = make_scheduler(config)
        self.hasher = make_hasher(config["blockSize"]) if config["prefixCaching"] else None
        self.streams: dict[str, int] = {}
        self.given: dict[int, Request] = {}
        by_arrival = sorted(range(len(requests)), key=lambda i: (requests[i]["arrive"], i))
        by_abort = [i for i, request in enumerate(requests) if request["abort"] is not None]
        self.arrivals = list(reversed(by_arrival))
        self.aborts = sorted(by_abort, key=lambda i: (requests[i]["abort"], i), reverse=True)
        self.now = 0

    def run(self) -> list[dict]:
        """As vLLM's engine core does it: in async, a second batch is scheduled before the first one's output is known."""
        most_in_flight = 2 if self.config["asyncScheduling"] else 1
        in_flight: list[tuple[SchedulerOutput, ModelRunnerOutput, dict]] = []
        steps: list[dict] = []
        while self.scheduler.has_unfinished_requests() or in_flight or self.jump():
            self.submit_due()
            gone = self.abort_due()
            output = self.scheduler.schedule()
            scheduled = output.total_num_scheduled_tokens > 0
            preempted = ids_of(output.preempted_req_ids or ())
            if scheduled or preempted:
                step = self.describe(output, preempted, gone)
                steps.append(step)
                if scheduled:
                    in_flight.append((output, self.compute(output), step))
                    self.now += 1
            elif gone and steps:
                steps[-1]["late"] += gone
            if scheduled and len(in_flight) < most_in_flight:
                continue
            if in_flight:
                output, computed, step = in_flight.pop(0)
                step["fin"] = self.take_output(output, computed)
            elif not preempted and self.scheduler.has_unfinished_requests():
                raise RuntimeError(f"nothing moves any more in step {self.now}")
        self.preemptions = [self.given[i].num_preemptions for i in range(len(self.requests))]
        return steps

    def jump(self) -> bool:
        if not self.arrivals:
            return False
        self.now = max(self.now, self.requests[self.arrivals[-1]]["arrive"])
        return True

    def submit_due(self) -> None:
        while self.arrivals and self.requests[self.arrivals[-1]]["arrive"] <= self.now:
            i = self.arrivals.pop()
            self.given[i] = self.make_request(i)
            self.scheduler.add_request(self.given[i])

    def abort_due(self) -> list[int]:
        gone = []
        while self.aborts and self.requests[self.aborts[-1]]["abort"] <= self.now:
            i = self.aborts.pop()
            if name_of(i) not in self.scheduler.requests:
                continue
            self.scheduler.finish_requests(name_of(i), RequestStatus.FINISHED_ABORTED)
            gone.append(i)
        return gone

    def make_request(self, i: int) -> Request:
        request = self.requests[i]
        tokens = [token for segment in request["prompt"] for token in self.tokens(*segment)]
        sampling = SamplingParams(max_tokens=request["maxTokens"], stop_token_ids=[END_TOKEN])
        return Request(
            request_id=name_of(i),
            prompt_token_ids=tokens,
            sampling_params=sampling,
            pooling_params=None,
            # Also decides between victims of equal priority, where two equal times would leave it to their place in the batch.
            arrival_time=request["arrive"] + i * 1e-6,
            priority=request["priority"],
            block_hasher=self.hasher,
        )

    def tokens(self, stream: str, start: int, length: int) -> range:
        base = self.streams.setdefault(stream, (len(self.streams) + 1) * STREAM_TOKENS)
        return range(base + start, base + start + length)

    def compute(self, output: SchedulerOutput) -> ModelRunnerOutput:
        """What the model says: a token for each request that has computed all it knows."""
        names = list(output.num_scheduled_tokens)
        sampled = []
        for name in names:
            request = self.scheduler.requests[name]
            index = request.num_computed_tokens - request.num_prompt_tokens
            sampled.append([] if request.is_prefill_chunk else [self.output_token(int(name), index)])
        return ModelRunnerOutput(
            req_ids=names,
            req_id_to_index={name: position for position, name in enumerate(names)},
            sampled_token_ids=sampled,
        )

    def output_token(self, i: int, index: int) -> int:
        request = self.requests[i]
        if request["end"] == "stop" and index == request["output"] - 1:
            return END_TOKEN
        return self.tokens(f"o{i}", index, 1)[0]

    def take_output(self, output: SchedulerOutput, computed: ModelRunnerOutput) -> list[int]:
        outputs = self.scheduler.update_from_output(output, computed)
        return ids_of(
            each.request_id for batch in outputs.values() for each in batch.outputs if each.finish_reason is not None
        )

    def describe(self, output: SchedulerOutput, preempted: list[int], gone: list[int]) -> dict:
        cached = output.scheduled_cached_reqs
        admitted = [[int(new.req_id), new.num_computed_tokens] for new in output.scheduled_new_reqs]
        resumed = [
            [int(name), computed]
            for name, computed in zip(cached.req_ids, cached.num_computed_tokens)
            if name in cached.resumed_req_ids
        ]
        pool = self.scheduler.kv_cache_manager.block_pool
        used = pool.num_gpu_blocks - 1 - pool.get_num_free_blocks()
        running, waiting = self.scheduler.get_request_counts()
        return {
            "t": self.now,
            "s": [[int(name), tokens] for name, tokens in output.num_scheduled_tokens.items()],
            "adm": admitted + resumed,
            "pre": preempted,
            "fin": [],
            "abo": gone,
            "late": [],
            "run": running,
            "wait": waiting,
            "used": used,
        }


def merge(steps: list[dict]) -> list[dict]:
    """Steps that are alike in a row become one row. Who finished stands on the last of them, all else on the first."""
    rows: list[dict] = []
    for step in steps:
        row = rows[-1] if rows else None
        if row is not None and continues(row, step):
            row["n"] += 1
            row["fin"] = step["fin"]
            row["used2"] = step["used"]
        else:
            rows.append({"t": step["t"], "n": 1, **{k: v for k, v in step.items() if k != "t"}, "used2": step["used"]})
    for row in rows:
        if not row["late"]:
            del row["late"]
    return rows


def continues(row: dict, step: dict) -> bool:
    happens = row["fin"] or row["late"] or any(step[key] for key in ("adm", "pre", "abo", "late"))
    alike = all(row[key] == step[key] for key in ("s", "run", "wait"))
    return not happens and alike and len(step["s"]) > 0


def make_scheduler(config: dict) -> Scheduler:
    model = model_config(config["maxModelLen"])
    scheduling = SchedulerConfig(
        max_num_seqs=config["maxNumSeqs"],
        max_num_batched_tokens=config["maxNumBatchedTokens"],
        max_model_len=config["maxModelLen"],
        is_encoder_decoder=False,
        enable_chunked_prefill=True,
        long_prefill_token_threshold=config["longPrefillTokenThreshold"],
        policy=config["policy"],
        watermark=config["watermark"],
        scheduler_reserve_full_isl=config["reserveFullIsl"],
        async_scheduling=config["asyncScheduling"],
    )
    caching = CacheConfig(block_size=config["blockSize"], enable_prefix_caching=config["prefixCaching"])
    whole = VllmConfig(model_config=model, scheduler_config=scheduling, cache_config=caching)
    check_taken_over(whole, config)
    caching.num_gpu_blocks = config["numGpuBlocks"]
    spec = FullAttentionSpec(
        block_size=config["blockSize"], num_kv_heads=1, head_size=64, head_size_v=64, dtype=torch.bfloat16
    )
    blocks = KVCacheConfig(
        num_blocks=config["numGpuBlocks"],
        kv_cache_tensors=[],
        kv_cache_groups=[KVCacheGroupSpec(["layer"], spec)],
    )
    return (AsyncScheduler if config["asyncScheduling"] else Scheduler)(
        vllm_config=whole,
        kv_cache_config=blocks,
        structured_output_manager=StructuredOutputManager(whole),
        block_size=config["blockSize"],
        log_stats=False,
    )


def check_taken_over(whole: VllmConfig, config: dict) -> None:
    """A platform may change settings behind one's back."""
    scheduling, caching = whole.scheduler_config, whole.cache_config
    taken = {
        "blockSize": caching.block_size,
        "maxNumSeqs": scheduling.max_num_seqs,
        "maxNumBatchedTokens": scheduling.max_num_batched_tokens,
        "maxModelLen": whole.model_config.max_model_len,
        "longPrefillTokenThreshold": scheduling.long_prefill_token_threshold,
        "policy": scheduling.policy,
        "watermark": scheduling.watermark,
        "reserveFullIsl": scheduling.scheduler_reserve_full_isl,
        "prefixCaching": caching.enable_prefix_caching,
    }
    changed = {key: (config[key], value) for key, value in taken.items() if config[key] != value}
    if changed:
        raise RuntimeError(f"vLLM changed settings (asked, taken): {changed}")


@cache
def model_config(max_model_len: int) -> ModelConfig:
    """Of a model that is never run. Its folder is needed only while this is read."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(
            '{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "head_dim": 64,'
            ' "num_attention_heads": 1, "num_key_value_heads": 1, "num_hidden_layers": 1, "intermediate_size": 64,'
            f' "vocab_size": 258, "max_position_embeddings": {1 << 20}, "torch_dtype": "bfloat16"}}'
        )
        return ModelConfig(model=folder, max_model_len=max_model_len, skip_tokenizer_init=True)


@cache
def make_hasher(block_size: int) -> Callable:
    init_none_hash(sha256_cbor)
    return get_request_block_hasher(block_size, sha256_cbor)


def name_of(i: int) -> str:
    """Sorts as the number does: names decide between requests of equal priority and arrival."""
    return f"{i:06d}"


def ids_of(names: object) -> list[int]:
    return sorted(int(name) for name in names)
