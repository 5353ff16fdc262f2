"""The stages: each a function over the database that begins with what is due and ends in a table."""
