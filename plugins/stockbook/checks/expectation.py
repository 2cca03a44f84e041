"""
The expectation that checks all rules: a query that counts the bad rows of each.

Great Expectations costs some 20 ms for each expectation, more than DuckDB takes for most rules; so the rules of a
table and severity are one expectation. Importing this module imports Great Expectations, which takes seconds.
"""

from typing import Any, ClassVar

import great_expectations.expectations as gxe


class RulesHold(gxe.UnexpectedRowsExpectation):  # type: ignore[misc]  # Great Expectations has no types
    """
    The query returns ``rule`` and ``bad_rows`` of every rule; no rule has any.

    ``observed_value`` of the result are these counts, in the order of the rules.
    """

    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.table",)

    def _validate(
        self, metrics: dict[str, Any], runtime_configuration: Any = None, execution_engine: Any = None
    ) -> dict[str, Any]:
        counts = metrics["unexpected_rows_query.table"][0]["bad_rows"]
        return {"success": not any(counts), "result": {"observed_value": list(counts)}}
