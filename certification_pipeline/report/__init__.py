"""Evidence for people: tables, Markdown, HTML. Computes no verdict."""
