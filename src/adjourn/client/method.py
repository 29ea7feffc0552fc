"""The decorators that make methods of descriptions, typed for both kinds of client.

A description is a method that returns a Call. On a blocking client `@method` gives the call's result, on an
async one a coroutine of it; `every` gives an iterator, or an async one, over the items of a list.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from adjourn.client.call import Call
from adjourn.client.exchange import Identified
from adjourn.client.transport import AsyncTransport, SyncTransport

__all__ = ["every", "method"]

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item", bound=Identified)


class method(Generic[P, T]):  # noqa: N801 - a decorator, like property
    def __init__(self, describe: Callable[Concatenate[Any, P], Call[T]]) -> None:
        self.describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: SyncTransport, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncTransport, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: SyncTransport | AsyncTransport | None, owner: type) -> Any:
        if client is None:
            return self

        @wraps(self.describe)
        def ask(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.ask(self.describe(client, *args, **kwargs))

        return ask


class every(Generic[P, T, Item]):  # noqa: N801 - stands where a decorator would
    """Every item of the list that `listing` gives by pages, from `offset` on, `limit` at a time.

    All pages are read before the first item is given, and each item comes once: the loop's body may change
    what the list's filter lets through, such as retry what failed. It sees the list as it was; a row that
    somebody else takes out of it while the pages are read may hide another.
    """

    def __init__(self, listing: method[P, T], items: Callable[[T], Sequence[Item]]) -> None:
        self._describe = listing.describe
        self._items = items
        self._name = listing.describe.__name__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: SyncTransport, owner: type) -> Callable[P, Iterator[Item]]: ...
    @overload
    def __get__(self, client: AsyncTransport, owner: type) -> Callable[P, AsyncIterator[Item]]: ...
    def __get__(self, client: SyncTransport | AsyncTransport | None, owner: type) -> Any:
        if client is None:
            return self

        @wraps(self._describe)
        def each(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.each(self._describe(client, *args, **kwargs), self._items)

        each.__name__ = self._name
        each.__doc__ = type(self).__doc__
        return each
