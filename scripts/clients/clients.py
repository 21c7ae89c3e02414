"""
clients.py <triton | kserve | mlserver> <host:port> <key>: what one client gets from the model server. Prints a JSON line a
call, and goes on when a line comes back: whoever reads them then knows which bytes belonged to which call.
"""

import asyncio
import importlib
import inspect
import json
import sys
from importlib.metadata import version
from typing import Any, Callable


class Calls:
    """The calls of a client, in order, each with what should become of it."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []

    def works(self, call: str, why: str = '', only: str = ''):
        """Answers, and what its function asserts holds. `why`: what is to know of it all the same; `only`: for one table."""
        return self._add(call, 'works', why, only)

    def refused(self, call: str, why: str, status: int, says: str, only: str = ''):
        """The server refuses it, and what the client makes of that says so."""
        return self._add(call, f'refused {status}', why, only, says)

    def stopped(self, call: str, why: str, says: str, only: str = ''):
        """The client itself refuses it, whatever the server is."""
        return self._add(call, 'client error', why, only, says)

    def _add(self, call: str, expected: str, why: str, only: str, says: str = ''):
        def add(run: Callable) -> Callable:
            self.all.append({'call': call, 'expected': expected, 'why': why, 'only': only, 'says': says, 'run': run})
            return run

        return add


async def ask(calls: Calls, table: str, refusal: Callable[[Exception], tuple[int, str]], *given: Any) -> None:
    """
    Asks all of a table, each with as much of what is `given` as it takes. `refusal` finds the status and the message in what a
    client throws; 0 where it has none.
    """
    for row in calls.all:
        if row['only'] and row['only'] != table:
            continue
        result, message = 'works', ''
        try:
            await settled(row['run'](*given[: wanted(row['run'])]))
        except AssertionError as error:
            result, message = 'wrong answer', str(error)
        except Exception as error:
            status, message = refusal(error)
            result = f'refused {status}' if status else 'client error'
            message = message or ('' if status else type(error).__name__)
        held = result == row['expected'] and row['says'].lower() in message.lower()
        known = {key: row[key] for key in ('call', 'expected', 'why', 'says')}
        say({**known, 'table': table, 'result': result, 'message': message, 'held': held})


def wanted(run: Callable) -> int:
    """How much of what is given a call takes: the first only, mostly."""
    parameters = inspect.signature(run).parameters.values()
    return sum(parameter.default is parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY for parameter in parameters)


async def settled(value: Any) -> Any:
    """A client's answer, whether or not that client is an asynchronous one."""
    return await value if inspect.isawaitable(value) else value


def check(holds: Any, said: Any) -> None:
    """Unlike assert, it says what came instead."""
    if not holds:
        raise AssertionError(f'answered {said!r}'[:500])


def equal(came: Any, wanted: Any) -> None:
    check(came == wanted, came)


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)
    sys.stdin.readline()


if __name__ == '__main__':
    # Beside this file there is no module of a client's own name: it would be imported in its place.
    client, url, key = sys.argv[1:]
    # The module imports this one, and must get these functions and not a second copy.
    sys.modules['clients'] = sys.modules['__main__']
    asks = importlib.import_module(f'ask_{client}')
    say({'versions': {name: version(name) for name in asks.PACKAGES}})
    asyncio.run(asks.main(url, key))
