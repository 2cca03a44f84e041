"""OpenLineage events: valid, whole, and without a value."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from checkout import PROJECT

from stockbook.declarations import Table
from stockbook.lineage import graph, openlineage
from stockbook.lineage.inputs import ROWS

MODELS = PROJECT / "include" / "sql"
NOW = datetime(2026, 3, 1, 2, 15, tzinfo=UTC)
# a folder with OpenLineage.json, ColumnLineageDatasetFacet.json and SchemaDatasetFacet.json of the specification
SPEC = os.environ.get("OPENLINEAGE_SPEC")


@pytest.fixture(scope="module")
def events(tables: dict[str, Table]) -> list[dict[str, Any]]:
    """What `stockbook lineage export --format openlineage` writes."""
    jobs = openlineage.jobs(graph.load(MODELS, tables), tables)
    written = [json.dumps(event) for event in openlineage.events(jobs, NOW)]
    return [json.loads(line) for line in written]


def test_every_table_is_an_output_with_all_its_columns(events: list[dict[str, Any]], tables: dict[str, Table]) -> None:
    """Of load and build once each, of publish those that readers see; each field of the schema has its lineage."""
    load, build, publish = events
    assert [event["job"]["name"] for event in events] == ["stockbook.load", "stockbook.build", "stockbook.publish"]
    outputs = {output["name"]: output["facets"] for event in (load, build) for output in event["outputs"]}
    by_table = graph.load(MODELS, tables).tables
    assert outputs.keys() == {f"warehouse.{name}" for name in by_table if not name.startswith("meta.")}
    for name, facets in outputs.items():
        columns = [field["name"] for field in facets["schema"]["fields"]]
        assert columns == [column for column in by_table[name.removeprefix("warehouse.")] if column != ROWS]
        assert list(facets["columnLineage"]["fields"]) == columns
    copies = {output["name"]: output["facets"] for output in publish["outputs"]}
    assert {name.removeprefix("published.") for name in copies} == {
        name for name in by_table if not name.startswith("intermediate.")
    }


def test_a_step_says_how_a_column_comes_in(events: list[dict[str, Any]]) -> None:
    """The town as it is, the e-mail masked, the conditions of the whole table as those of its rows."""
    of_orders = _outputs(events)["warehouse.staging.orders"]["columnLineage"]["fields"]
    assert of_orders["city"]["inputFields"] == [
        {
            "namespace": "stockbook",
            "name": "fulfillment_cz.orders",
            "field": "recipient.city",
            "transformations": [{"type": "DIRECT", "subtype": "IDENTITY", "masking": False}],
        }
    ]
    assert of_orders["tracking_number"]["inputFields"][0]["transformations"][0]["masking"] is True
    facet = _outputs(events)["warehouse.marts.fct_order"]["columnLineage"]
    assert facet["fields"]["city"]["inputFields"][0]["name"] == "warehouse.staging.orders"
    assert {
        "namespace": "stockbook",
        "name": "warehouse.staging.orders",
        "field": "_deleted_at",
        "transformations": [{"type": "INDIRECT"}],
    } in facet["dataset"]
    published = _outputs(events)["published.marts.fct_order"]["columnLineage"]["fields"]["city"]["inputFields"]
    assert [(field["name"], field["field"]) for field in published] == [("warehouse.marts.fct_order", "city")]


def test_whatever_is_an_input_field_is_a_field_of_its_dataset(events: list[dict[str, Any]]) -> None:
    """The graph closes: no column is read that no output has, where the dataset is one of ours."""
    outputs = _outputs(events)
    fields = {name: {field["name"] for field in facets["schema"]["fields"]} for name, facets in outputs.items()}
    read = {
        (field["name"], field["field"])
        for facets in outputs.values()
        for of in [facets["columnLineage"]]
        for field in [
            *of.get("dataset", []),
            *(each for by_table in of["fields"].values() for each in by_table["inputFields"]),
        ]
    }
    assert len(read) > 3000
    assert [(name, field) for name, field in read if name in fields and field not in fields[name]] == []
    named = {dataset["name"] for event in events for dataset in (*event["inputs"], *event["outputs"])}
    assert {name for name, _ in read} <= named


def test_the_client_of_openlineage_reads_the_events(events: list[dict[str, Any]]) -> None:
    """Its classes are made of the schemas: they take every field, refuse others, and name the same versions of them."""
    pytest.importorskip("openlineage.client", reason="the extra openlineage is not installed")
    from openlineage.client.event_v2 import InputDataset, Job, JobEvent, OutputDataset
    from openlineage.client.facet_v2 import column_lineage_dataset as columns
    from openlineage.client.facet_v2 import schema_dataset as schema

    def fields(listed: list[dict[str, Any]]) -> list[Any]:
        return [
            columns.InputField(
                **{**field, "transformations": [columns.Transformation(**t) for t in field["transformations"]]}
            )
            for field in listed
        ]

    for event in events:
        assert event["schemaURL"] == JobEvent._get_schema()
        outputs = []
        for output in event["outputs"]:
            lineage, of_schema = output["facets"]["columnLineage"], output["facets"]["schema"]
            facet = columns.ColumnLineageDatasetFacet(
                fields={
                    name: columns.Fields(fields(by_table["inputFields"]))
                    for name, by_table in lineage["fields"].items()
                },
                dataset=fields(lineage.get("dataset", [])),
            )
            declared = schema.SchemaDatasetFacet(
                [schema.SchemaDatasetFacetFields(**each) for each in of_schema["fields"]]
            )
            assert (lineage["_schemaURL"], of_schema["_schemaURL"]) == (facet._schemaURL, declared._schemaURL)
            outputs.append(
                OutputDataset(output["namespace"], output["name"], {"schema": declared, "columnLineage": facet})
            )
        inputs = [InputDataset(**dataset) for dataset in event["inputs"]]
        JobEvent(
            job=Job(**event["job"]),
            inputs=inputs,
            outputs=outputs,
            eventTime=event["eventTime"],
            producer=event["producer"],
        )


@pytest.mark.skipif(
    SPEC is None, reason="OPENLINEAGE_SPEC names no folder of OpenLineage's JSON schemas (make proof-lineage)"
)
def test_the_events_are_valid_by_the_schemas(events: list[dict[str, Any]]) -> None:
    """Each event by OpenLineage.json, each facet by its own schema, formats included."""
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    names = ("OpenLineage.json", "ColumnLineageDatasetFacet.json", "SchemaDatasetFacet.json")
    schemas = [json.loads(Path(str(SPEC), name).read_text()) for name in names]
    registry = Registry().with_resources([(schema["$id"], Resource.from_contents(schema)) for schema in schemas])
    checker = Draft202012Validator.FORMAT_CHECKER
    event_is, lineage_is, schema_is = (
        Draft202012Validator(schema, registry=registry, format_checker=checker) for schema in schemas
    )
    for event in events:
        event_is.validate(event)
        for output in event["outputs"]:
            lineage_is.validate({"columnLineage": output["facets"]["columnLineage"]})
            schema_is.validate({"schema": output["facets"]["schema"]})


def _outputs(events: list[dict[str, Any]]) -> dict[str, Any]:
    return {output["name"]: output["facets"] for event in events for output in event["outputs"]}
