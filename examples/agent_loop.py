"""An agent with a tool, recorded: each call of the model is one execution, and the history grows from call to call.

Run it: python examples/agent_loop.py [DIRECTORY]. Without a directory the store is temporary. No network: the model is a function below.
"""

from __future__ import annotations

import json
import sys
from tempfile import TemporaryDirectory
from typing import Any

import runstore
from runstore import ABSENT, Run

Message = dict[str, Any]

PROMPT = "You do sums. Use the tool `add` for every addition."
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two whole numbers.",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]},
    },
}


def model(history: list[Message]) -> Message:
    """Stand in for a model: add the numbers of the question two at a time with the tool, then say the sum."""
    numbers = [int(word) for word in history[0]["content"].split() if word.isdigit()]
    sums = [int(message["content"]) for message in history if message["role"] == "tool"]
    if len(sums) + 1 == len(numbers):
        return {"role": "assistant", "content": f"The sum is {sums[-1]}."}
    first = sums[-1] if sums else numbers[0]
    call = {"name": "add", "arguments": json.dumps({"a": first, "b": numbers[len(sums) + 1]})}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": f"call-{len(sums)}", "type": "function", "function": call}]}


def use_tool(call: Message) -> Message:
    """Run one call of the tool `add`, and return the message that brings the result back."""
    arguments = json.loads(call["function"]["arguments"])
    return {"role": "tool", "tool_call_id": call["id"], "content": str(arguments["a"] + arguments["b"])}


def solve(repo: runstore.Repo, question: str, session: str) -> str:
    """Let the agent answer a question; record each call of the model on the ref agents/SESSION. Returns the answer."""
    history: list[Message] = [{"role": "user", "content": question}]
    while True:
        run = Run(
            model={"api": "example", "name": "adder", "version": "1"},
            prompt=PROMPT,
            parameters={"temperature": 0, "seed": 7},
            documents=ABSENT,
            tools=[ADD],
            history=history,
            runtime={"engine": "examples/agent_loop.py", "engine_version": "1"},
        )
        reply = model(history)
        # Recorded before the tool runs: if the tool fails, the call that asked for it is kept.
        repo.add(run, ref=f"agents/{session}", output=[reply], notes={"session": session})
        if "tool_calls" not in reply:
            return str(reply["content"])
        history = [*history, reply, *map(use_tool, reply["tool_calls"])]


def main(store: str) -> None:
    """Solve a sum, then read from the store what the agent did."""
    with runstore.open(store, create=True) as repo:
        print(solve(repo, "What is 19 and 4 and 20 together?", session="sum-1"))
        steps = list(repo.log("agents/sum-1"))
        for number, entry in enumerate(reversed(steps), 1):
            step = repo.show(entry.link.hex)
            gave = "a tool call" if step.output[0].get("tool_calls") else "the answer"
            print(f"call {number}: {len(step.history)} before it, then {gave}")
        for match in repo.grep("^23$", "agents/sum-1", places=["history"]):
            print("23 was read at", match.place)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with TemporaryDirectory() as place:
            main(place)
