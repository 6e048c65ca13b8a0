"""API prompts, run by ComfyUI's own executor in this process."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

CACHE = {"lru": 0, "ram": 0.0, "ram_inactive": 0.0}


def chain(**nodes: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A prompt out of `name=("NodeId", {"input": value or ("name", output)})`."""
    return {
        name: {
            "class_type": node_id,
            "inputs": {key: list(value) if isinstance(value, tuple) else value for key, value in inputs.items()},
            "_meta": {"title": name},
        }
        for name, (node_id, inputs) in nodes.items()
    }


def execute(comfy: SimpleNamespace, prompt: dict[str, Any], executor: Any | None = None) -> SimpleNamespace:
    """Runs a prompt; `outputs` is what the nodes show, `cached` the nodes that did not run again, `error` a message."""
    import server

    instance = server.PromptServer.instance
    instance.sent.clear()
    valid = asyncio.run(comfy.execution.validate_prompt("job", prompt, None))
    if not valid[0]:
        return SimpleNamespace(success=False, error=str(valid[1:]), executor=executor, outputs={}, cached=[], events=[],
                               failed_type=None)  # fmt: skip
    if executor is None:
        executor = comfy.execution.PromptExecutor(instance)
        executor.cache_args = CACHE  # newer ComfyUIs give them on the command line and cannot do without
    executor.execute(prompt, "job", {}, valid[2])
    messages = dict(executor.status_messages)
    failed = messages.get("execution_error", {})
    return SimpleNamespace(
        success=executor.success,
        error=failed.get("exception_message", ""),
        failed_node=failed.get("node_id"),
        failed_type=failed.get("exception_type"),
        executor=executor,
        outputs=executor.history_result.get("outputs", {}) if executor.success else {},
        cached=messages.get("execution_cached", {}).get("nodes", []),
        interrupted="execution_interrupted" in messages,
    )
