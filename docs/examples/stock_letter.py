"""
### Stock letter

A DAG of another team, in an Airflow that has Stockbook's DAGs: it waits for the stock of each night and reads it. It
starts whenever a night was published, with the night's day, and never for a night that was red.
"""

from airflow.sdk import Asset, PartitionedAssetTimetable, dag, get_current_context, task


@dag(
    dag_id="stock_letter",
    schedule=PartitionedAssetTimetable(assets=Asset.ref(name="stockbook_stock")),
    catchup=False,
    doc_md=__doc__,
    tags=["another team"],
)
def stock_letter() -> None:
    @task
    def value_by_category() -> dict[str, str]:
        """Value of the stock on the night's day, to the last digit; the published file is opened read-only."""
        from datetime import date

        import stockbook

        context = get_current_context()
        day = date.fromisoformat(context["dag_run"].partition_key)
        table = stockbook.metric("stock_value", by=["category"], to=day).to_arrow().to_pylist()
        return {row["category_path"] or "without a category": str(row["stock_value"]) for row in table}

    value_by_category()


stock_letter()
