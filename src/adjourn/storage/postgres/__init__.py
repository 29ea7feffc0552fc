"""PostgreSQL: `store.PostgresStore` is the sending side's, `database` what any store of ours lies on.

Nothing is imported here: the inbox takes the database alone, without what the server needs.
"""
