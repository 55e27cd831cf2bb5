select
    id as order_id,
    business_date as ordered_on,
    status,
    quantity,
    coalesce(amount, 0) as amount,
    note,
    updated_at
from {{ source('landing', 'standard') }}
