"""What a name in a select means: a column of what it reads, or of a query around it, or another item of the select."""

from collections.abc import Iterator
from typing import NamedTuple

from stockbook.declarations import EXTRA, LAYERS
from stockbook.errors import DeclarationError
from stockbook.lineage.inputs import Inputs, Relation, Way, at_least, swaying, together


class Source(NamedTuple):
    """One thing that a select reads from, under its name there."""

    alias: str
    relation: Relation


class Scope:
    """The names that an expression may use."""

    def __init__(
        self, sources: list[Source], around: "Scope | None" = None, names: dict[str, Inputs] | None = None
    ) -> None:
        """``names`` are parameters of macros and lambdas; ``items`` are filled with the select's own columns."""
        self.sources = sources
        self.around = around
        self.names = names or {}
        self.items: dict[str, Inputs] = {}

    def inside(self, names: dict[str, Inputs]) -> "Scope":
        """The same with names of a lambda."""
        return Scope([], self, names)

    def inputs(self, names: list[str]) -> Inputs:
        """What a reference is made of. Raises DeclarationError for a name that means nothing."""
        inputs = self._find(names)
        if inputs is None:
            raise DeclarationError(f"lineage: {'.'.join(names)} is no column of what is read")
        return inputs

    def _find(self, names: list[str]) -> Inputs | None:
        if names[0] in self.names:
            return self.names[names[0]] if len(names) == 1 else at_least(self.names[names[0]], Way.WORKED_OUT)
        if len(names) > 2 and names[0] in (*LAYERS, EXTRA):
            names = names[1:]
        for source in self.sources:
            # what stands behind a table's column is a field of a struct
            if len(names) > 1 and names[0] == source.alias:
                return _of(source.relation, names[1], names[2:])
        having = [source for source in self.sources if names[0] in source.relation.columns]
        whole = [source for source in self.sources if source.alias == names[0]]
        if whole and not having:
            return at_least(together(whole[0].relation.columns.values()), Way.WORKED_OUT)
        if having:
            return together(_of(source.relation, names[0], names[1:]) for source in having)
        if names[0] in self.items:
            return self.items[names[0]]
        return self.around._find(names) if self.around else None  # another of the same

    def starred(self, alias: str | None = None) -> Iterator[tuple[Source, str]]:
        """Every column of ``*``, or of ``alias.*``; what two sources share by USING comes once."""
        seen = set()
        for source in self.sources:
            if alias in (None, source.alias):
                for name in source.relation.columns:
                    if alias is not None or name not in seen:
                        yield source, name
                    seen.add(name)


def _of(relation: Relation, column: str, fields: list[str]) -> Inputs:
    if column == "rowid":
        return swaying(relation.rows)
    if column not in relation.columns:
        raise DeclarationError(f"lineage: {column} is no column of what is read")
    inputs = relation.columns[column]
    return at_least(inputs, Way.WORKED_OUT) if fields else inputs


def swayed(source: Source, by: Inputs) -> Source:
    """The source when something else decides which of its rows is joined, or none."""
    columns = {name: together([inputs, swaying(by)]) for name, inputs in source.relation.columns.items()}
    return Source(source.alias, source.relation._replace(columns=columns))
