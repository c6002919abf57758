"""What was measured, and what it was meant to reach."""

from dataclasses import dataclass, field

from benchmarks.clock import Spent


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. Smaller is better; `target` and `stretch` are in the same unit, None where nothing was promised."""

    name: str
    value: float
    unit: str = ""
    target: float | None = None
    stretch: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """`pass`, `pass (stretch)`, `short`, or empty where there is no target."""
        if self.stretch is not None and self.value <= self.stretch:
            return "pass (stretch)"
        if self.target is None:
            return ""
        return "pass" if self.value <= self.target else "short"


@dataclass(slots=True)
class Row:
    """One store on one workload. Processor times in microseconds (`log` in all, the others a run), bytes as they lie on disk."""

    store: str
    added_bytes: int
    settled_bytes: int
    settling: str
    bulk_cpu: float
    read_cpu: float
    log_cpu: float
    durable: list[Spent] = field(default_factory=list)


@dataclass(slots=True)
class Measured:
    """All that was measured on one workload."""

    workload: str
    calls: int
    conversations: int
    plain_bytes: int
    bound_bytes: int
    rows: list[Row] = field(default_factory=list)
    floor: list[Spent] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def row(self, store: str) -> Row | None:
        """The row of a store, None if it was not measured."""
        return next((row for row in self.rows if row.store == store), None)
