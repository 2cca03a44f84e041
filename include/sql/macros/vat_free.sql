-- An amount without VAT, half up to 4 places, where a share is taken off; else the amount.
create or replace macro intermediate.vat_free(amount, vat_rate) as
case
    when vat_rate is null then amount
    else intermediate.in_currency(amount, cast(1 as decimal(24, 12)), cast(1 + vat_rate as decimal(24, 12)))
end
