"""What looking for a cause may cost: the doctor's work is bounded by construction, whatever came. Pure."""

__all__ = ["LONGEST_TRIED", "Allowance"]

LONGEST_TRIED = 64 << 10  # bytes of a body: a longer one is only looked at

_BODIES = 256  # of the longest that is tried, hashed in one diagnosis: 16 MiB, some 10 ms or 40 on an old CPU


class Allowance:
    """The bytes that one diagnosis may still hash, where bodies of up to `longest` bytes are tried.

    It is used up as the diagnosis goes on: each takes one of its own.
    """

    __slots__ = ("_left", "longest")

    def __init__(self, longest: int = LONGEST_TRIED) -> None:
        self.longest = longest
        self._left = _BODIES * longest

    @property
    def is_spent(self) -> bool:
        return self._left < 0

    def take(self, count: int) -> bool:
        """Whether so many bytes may be hashed. Once they may not, nothing may."""
        self._left = self._left - count if count <= self._left else -1
        return not self.is_spent
