"""Where rows come from. PostgreSQL is the first; a source emits artifacts and knows no sink."""
