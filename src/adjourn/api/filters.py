"""A webhook filter as it comes in: CONTRACTS 1.6."""

from adjourn.api.bodies import FilterBody
from adjourn.api.problems import Problem
from adjourn.models import Filter
from adjourn.providers import Provider

__all__ = ["read_filter"]


def read_filter(body: FilterBody, provider: Provider) -> Filter:
    """The filter under today's names, without the types that are always delivered.

    Raises Problem, which names the unknown types and lists those there are.
    """
    known = {each: provider.resolve(each) for each in body.events}
    unknown = [each for each, event_type in known.items() if event_type is None]
    if unknown:
        problem = Problem(
            400,
            f"unknown event type: {', '.join(repr(each) for each in unknown[:10])}",
            valid_event_types=[*provider.event_types],
        )
        problem.code = "validation_error"
        raise problem
    names = dict.fromkeys(each.name for each in known.values() if each is not None)
    return Filter(body.type, tuple(each for each in names if each not in provider.always_delivered))
