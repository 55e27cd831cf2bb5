{{ config(materialized='incremental', unique_key='order_id', incremental_strategy='delete+insert') }}

select
    order_id,
    ordered_on,
    status,
    quantity,
    amount,
    updated_at
from {{ ref('stg_orders') }}
{% if is_incremental() %}
-- An order without a time of update cannot be told from a changed one: it is taken again.
where updated_at is null or updated_at >= (select max(updated_at) from {{ this }})
{% endif %}
