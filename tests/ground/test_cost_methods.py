"""Columns that every figure of the valuation has are declared once."""

from stockbook.cost_methods import FIGURES, for_each_figure


def column(description: str) -> dict[str, str]:
    return {"type": "bigint", "description": description}


def test_neighbours_are_written_out_together_for_every_figure() -> None:
    """Two columns of a figure stay side by side; a column that begins otherwise is repeated by itself."""
    columns = {
        "pool": column("Pool."),
        "{figure}_cost": column("Cost, {figure}."),
        "{figure}_value": column("Value, {figure}."),
        "damaged_{figure}_value": column("Of damaged pieces, {figure}."),
        "quantity": column("Pieces."),
    }

    written = for_each_figure(columns)

    repeated = [f"{figure}_{name}" for figure in FIGURES for name in ("cost", "value")]
    damaged = [f"damaged_{figure}_value" for figure in FIGURES]
    assert list(written) == ["pool", *repeated, *damaged, "quantity"]
    assert written["fifo_landed_cost"] == column("Cost, FIFO, landed.")
    assert written["average_bare_value"] == column("Value, average, bare.")
