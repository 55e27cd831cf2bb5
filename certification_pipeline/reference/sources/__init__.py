"""Where rows come from. PostgreSQL and a REST API; a source emits artifacts and knows no sink."""
