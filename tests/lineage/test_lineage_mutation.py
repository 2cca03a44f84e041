"""Change a column of staging, and only the columns that lineage names may change: everything else stays as it was."""

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lineage_mutations import Mutation, Mutations, drawn, never_changed

from stockbook.lineage.graph import Graph
from stockbook.lineage.inputs import Ref
from stockbook.project import SHIPPED

pytestmark = pytest.mark.slow

IS_PROOF = "LINEAGE_MUTATIONS" in os.environ
COUNT = int(os.environ.get("LINEAGE_MUTATIONS", "5"))
# in every run of the tests the same few, in a proof others each time
SEED = int(os.environ.get("LINEAGE_SEED") or (random.SystemRandom().randrange(10**6) if IS_PROOF else 21))
# a home whose shop has all three systems, as the demo's has; else the tests' own
HOME = os.environ.get("LINEAGE_HOME")


@pytest.fixture(scope="module")
def mutations(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mutations]:
    """A copy of a home after a night."""
    home = Path(HOME) if HOME else request.getfixturevalue("home_after_a_night")
    copy = Mutations(home, tmp_path_factory.mktemp("lineage") / "copy.duckdb", SHIPPED / "include" / "policy")
    yield copy
    copy.close()


def test_only_what_lineage_names_changes(mutations: Mutations) -> None:
    """Columns drawn at random, each changed in half of its rows; the seed is printed and can be given."""
    done = drawn(mutations, mutations.candidates(), COUNT, SEED)

    lines = [f"seed {SEED}; {len(mutations.candidates())} columns to draw from", *map(_told, done)]
    idle = never_changed(mutations, done)
    lines.append(f"made directly of a column that was changed, and never changed: {len(idle)}")
    lines += [f"  {column} -> {ref}" for column, ref in idle]
    sys.stderr.write("\n".join(lines) + "\n")
    assert sum(each.refused is None for each in done) == COUNT, lines
    assert any(each.changed for each in done), lines
    assert {each.column: each.unnamed for each in done if each.unnamed} == {}, lines


def _told(each: Mutation) -> str:
    if each.refused is not None:
        return f"{each.column}: refused ({each.refused})"
    return f"{each.column}: {len(each.changed)} columns changed, {len(each.unnamed)} of them not named"


def test_a_column_that_lineage_forgets_is_found(mutations: Mutations) -> None:
    """With what the rows of orders are decided by taken out of the lineage, a changed order number shows it."""
    column = Ref("staging.orders", "number")
    whole = mutations.graph
    without = {table: {name: dict(of) for name, of in columns.items()} for table, columns in whole.tables.items()}
    for columns in without.values():
        for of in columns.values():
            of.pop(column, None)
    mutations.graph = Graph(without)
    try:
        mutation = mutations.mutate(column, 1)
    finally:
        mutations.graph = whole
    assert mutation.refused is None
    assert mutation.unnamed == mutation.changed != frozenset()


def test_a_mutation_leaves_the_copy_as_it_was(mutations: Mutations) -> None:
    """The same column changes the same columns twice."""
    column = Ref("staging.orders", "city")
    first, second = mutations.mutate(column, 3), mutations.mutate(column, 3)
    assert first == second
    assert first.changed


def test_the_way_back_and_the_way_on_are_one(mutations: Mutations) -> None:
    """What a column goes into names it on the way back, with the same way; and nothing else does."""
    graph = mutations.graph
    column = Ref("staging.flickrocket_prices", "amount_minor")
    onward = graph.onward(column)
    tables = sorted({user.table for user in onward} | {"marts.fct_order", "staging.flickrocket_products"})
    back = {
        user: graph.back(user)[column]
        for user in (Ref(table, name) for table in tables for name in graph.tables[table])
        if user.table != column.table and column in graph.back(user)
    }
    assert len(back) > 50
    assert back == {user: way for user, way in onward.items() if user.table != column.table}
