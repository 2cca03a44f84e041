"""Why what is known now of a closed month is not what was signed."""
