"""How each sink writes SQL: quoting, types, comparison, DDL. No connection is ever opened here."""
