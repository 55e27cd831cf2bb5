"""The oracle's own eyes: one reader for each kind of sink. They read; they judge nothing."""
