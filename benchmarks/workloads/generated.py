"""Conversations of an agent with tools, made from a seed: the same on every machine and under every Python.

Shaped after recorded ones: a policy of some kilobytes as the prompt, short questions, calls of tools, and answers of tools that are
mostly ids and numbers. Only `Random.random` is used, whose sequence Python promises to keep.
"""

import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from benchmarks.call import Call
from benchmarks.workloads.trajectories import APART, FIRST_START, calls_of

CONVERSATIONS = 100
EXCHANGES = 12
SYLLABLES = ("ka", "lo", "mi", "ran", "tes", "vo", "qui", "ber", "den", "sol", "fa", "gur", "him", "nel", "pra", "ost", "wi", "ju", "ze")
TOOLS = ("find_order", "find_customer", "list_items", "change_address", "cancel_order", "refund", "think")


def lines(seed: int = 7, count: int = CONVERSATIONS, exchanges: int = EXCHANGES) -> list[dict[str, Any]]:
    """`count` conversations of about `exchanges` model calls each, as lines for `runstore import conversations`."""
    made = _Source(seed)
    return [made.conversation(number, 1 + int(exchanges * 2 * made.random())) for number in range(count)]


def calls(conversations: Sequence[dict[str, Any]]) -> list[Call]:
    """All model calls of the conversations, in order."""
    found = [call for line in conversations for call in calls_of(line)]
    return [Call(call.conversation, call.turn, FIRST_START + APART * n, call.slots, call.output) for n, call in enumerate(found)]


def one_long(turns: int, seed: int = 8) -> Iterator[Call]:
    """The calls of one conversation of `turns` turns: a question and an answer each."""
    made = _Source(seed)
    prompt = [{"role": "system", "content": made.policy}]
    history: list[dict[str, Any]] = []
    for turn in range(turns):
        history = [*history, {"role": "user", "content": made.sentence(14)}]
        answer = {"role": "assistant", "content": made.sentence(40)}
        yield Call("long", turn, FIRST_START + APART * turn, {"model": {"name": "made-1"}, "prompt": prompt, "history": history}, [answer])
        history = [*history, answer]


class _Source:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed).random
        self.words = ["".join(self.pick(SYLLABLES) for _ in range(1 + int(3 * self.random()))) for _ in range(3000)]
        self.policy = " ".join(self.sentence(25) for _ in range(40))
        self.tools = [self.tool(name) for name in TOOLS]

    def pick(self, among: Sequence[str]) -> str:
        return among[int(len(among) * self.random())]

    def sentence(self, length: int) -> str:
        # The fourth power makes few words frequent and most words rare, as in writing.
        words = [self.words[int(len(self.words) * self.random() ** 4)] for _ in range(1 + int(2 * length * self.random()))]
        return " ".join(words).capitalize() + "."

    def ident(self) -> str:
        return "".join(self.pick("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789") for _ in range(6))

    def tool(self, name: str) -> dict[str, Any]:
        schema = {"type": "object", "properties": {"id": {"type": "string", "description": self.sentence(10)}}, "required": ["id"]}
        return {"type": "function", "function": {"name": name, "description": self.sentence(20), "parameters": schema}}

    def conversation(self, number: int, exchanges: int) -> dict[str, Any]:
        messages: list[dict[str, Any]] = [{"role": "system", "content": self.policy}, {"role": "user", "content": self.sentence(15)}]
        for _ in range(exchanges):
            messages += self.tool_use() if self.random() < 0.45 else self.talk()
        return {"conversation_id": f"made-{number:04}", "model": "made-1", "tools": self.tools, "messages": messages}

    def talk(self) -> list[dict[str, Any]]:
        return [{"role": "assistant", "content": self.sentence(35)}, {"role": "user", "content": self.sentence(15)}]

    def tool_use(self) -> list[dict[str, Any]]:
        name, call = self.pick(TOOLS), f"call_{self.ident()}{self.ident()}"
        function = {"name": name, "arguments": json.dumps({"id": self.ident()})}
        rows = [self.row() for _ in range(int(14 * self.random()))]
        return [
            {"role": "assistant", "content": None, "tool_calls": [{"function": function, "id": call, "type": "function"}]},
            {"role": "tool", "tool_call_id": call, "name": name, "content": json.dumps({"id": self.ident(), "rows": rows})},
        ]

    def row(self) -> dict[str, Any]:
        return {"id": self.ident(), "item": self.pick(self.words), "price": int(2000 * self.random())}
