-- Of two counts of pieces, one a method whatever its basis, the one that goes with the headline.
create or replace macro intermediate.headline_quantity(method, fifo, average) as
    intermediate.headline(method, fifo, fifo, average, average)
