"""The server's pages for people: so far the reference of every event."""
