"""The graph of a log."""

from runstore.cli.graph import Graph


def draw(*executions: tuple[str, str]) -> list[str]:
    """Draw executions, given as (name, parents), and return the rows with the names beside their stars."""
    graph = Graph()
    rows = []
    for name, parents in executions:
        found = graph.add(name, list(parents))
        rows.append(f"{found.node} {name}")
        rows.extend(found.edges)
    return rows


def test_one_line_is_a_column_of_stars() -> None:
    """A log without merges is drawn straight."""
    assert draw(("c", "b"), ("b", "a"), ("a", "")) == ["* c", "* b", "* a"]


def test_a_merge_parts_and_the_lines_meet_again() -> None:
    """The parents of a merge get a column each, joined where they stand on the same execution."""
    assert draw(("m", "ab"), ("a", "c"), ("b", "c"), ("c", "")) == ["* m", "|\\", "* | a", "| * b", "|/", "* c"]


def test_a_merge_of_three_opens_two_columns() -> None:
    """A merge may have any number of parents."""
    assert draw(("m", "abc"), ("a", "d"), ("b", "d"), ("c", "d"), ("d", "")) == [
        "* m",
        "|\\",
        "|\\ \\",
        "* | | a",
        "| * | b",
        "|/ /",
        "| * c",
        "|/",
        "* d",
    ]


def test_a_line_crosses_others_to_its_parent() -> None:
    """A column that joins one further left passes under those between."""
    assert draw(("a", "d"), ("b", "e"), ("c", "d"), ("d", ""), ("e", "")) == ["* a", "| * b", "| | * c", "|_|/", "* | d", " /", "* e"]


def test_where_a_log_begins_its_column_closes() -> None:
    """Logs that share nothing stand side by side, and the room of one that has ended is taken back."""
    assert draw(("a", ""), ("b", "")) == ["* a", "* b"]
    assert draw(("b", "a"), ("z", "y"), ("a", ""), ("y", "")) == ["* b", "| * z", "* | a", " /", "* y"]
