"""Our own HTTP/1.1 client, behind the `Sender` protocol: delivering is what this project exists for.

sender       one attempt: a kept connection or a new one, the deadline, the one repetition
  target     where a URL leads, and the bytes that go out
  pool       connections that may serve again, by origin
  dial       a new connection: names (resolved and checked), sockets, TLS
  connection one exchange at a time; `answer` reads what comes back
  deadlines  one coarse sweep for all that waits
"""

from adjourn.sending.http1.sender import Http1Sender

__all__ = ["Http1Sender"]
