-- Of the four figures of one amount the one that the shop reports: method is its method and basis, as in average_landed.
create or replace macro intermediate.headline(method, fifo_landed, fifo_bare, average_landed, average_bare) as
    case method
        when 'fifo_landed' then fifo_landed
        when 'fifo_bare' then fifo_bare
        when 'average_landed' then average_landed
        else average_bare
    end
