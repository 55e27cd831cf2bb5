-- Returns a row when the days' orders do not add up to the orders there are.
select counted.orders as counted, landed.orders as landed
from (select coalesce(sum(orders), 0) as orders from {{ ref('orders_by_day') }}) as counted
cross join (select count(*) as orders from {{ ref('stg_orders') }}) as landed
where counted.orders <> landed.orders
