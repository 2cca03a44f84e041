-- An amount of one currency in another, half up to 4 places: amount x units of the target / units of its own. The quotient
-- of doubles is at most one step off up to 100 million; the exact products say which step is right. Beyond it stands.
create or replace macro intermediate.in_currency(amount, units_target, units_own) as
case
    when abs(amount) < 100000000 and units_target < 100000 and units_own < 100000
        then list_transform(
            [round(abs(cast(amount as double)) * cast(units_target as double) / cast(units_own as double), 4)],
            lambda rounded: sign(amount) * case
                when (2 * cast(rounded as decimal(26, 4)) + cast(0.0001 as decimal(4, 4))) * cast(units_own as decimal(24, 12))
                    <= 2 * cast(abs(amount) as decimal(24, 12)) * cast(units_target as decimal(24, 12))
                    then cast(rounded as decimal(26, 4)) + cast(0.0001 as decimal(4, 4))
                when (2 * cast(rounded as decimal(26, 4)) - cast(0.0001 as decimal(4, 4))) * cast(units_own as decimal(24, 12))
                    > 2 * cast(abs(amount) as decimal(24, 12)) * cast(units_target as decimal(24, 12))
                    then cast(rounded as decimal(26, 4)) - cast(0.0001 as decimal(4, 4))
                else cast(rounded as decimal(26, 4))
            end
        )[1]
    else
        cast(
            round(cast(amount as double) * cast(units_target as double) / cast(units_own as double), 4)
            as decimal(38, 4)
        )
end
