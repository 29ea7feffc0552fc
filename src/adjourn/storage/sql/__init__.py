"""What both databases share: the SQL and the rules of everything but the queue's hot moves.

A function here is given a `Connection` in a transaction and runs statements on it, one after the other, with
`?` for values. SQLite runs them as they are; PostgreSQL runs the same functions over asyncpg
(storage/postgres/database.py).
"""
