-- Which variants an open line may mean, by whose code it was when the order was made: the least doubtful of them.
-- Grain: one row per order, line and variant; few lines are open.
with

open_lines as (

    select
        order_no,
        line_no,
        account,
        code,
        lower(staging.bare_of(code)) as spelling,
        created_at
    from intermediate.order_line_open

),

-- who had the code when the order was made: surely, perhaps, or before it left the catalogue; only where nobody had it
-- as it was typed, who had it in another spelling
doubts as (

    select
        l.order_no,
        l.line_no,
        l.account,
        p.variant_id,
        min(
            case when l.created_at between p.surely_from and p.surely_to then 1 when p.is_gone then 3 else 2 end
            + case when l.code = p.code then 0 else 3 end
        ) as doubt
    from open_lines as l
    inner join intermediate.code_owner as p
        on
            l.account = p.account
            and l.spelling = p.spelling
    where
        l.created_at between p.surely_from and p.surely_to
        or (l.created_at > p.perhaps_after and l.created_at < p.perhaps_before)
        or (p.surely_from = timestamp '-infinity' and p.surely_to = timestamp 'infinity')
    group by l.order_no, l.line_no, l.account, p.variant_id

)

select
    order_no,
    line_no,
    account,
    variant_id
from doubts
qualify rank() over (partition by order_no, line_no order by doubt) = 1
