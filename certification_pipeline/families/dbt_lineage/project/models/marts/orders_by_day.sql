with orders as (

    select * from {{ ref('stg_orders') }}

)

select
    ordered_on,
    count(*) as orders,
    cast(sum(quantity) as bigint) as quantity,
    max(updated_at) as last_updated_at
from orders
group by ordered_on
