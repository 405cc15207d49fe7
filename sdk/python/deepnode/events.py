"""Server-sent events, line by line."""

import json
from collections.abc import Iterator
from typing import ClassVar

from .values import Event

SSE_HEADERS = {"accept": "text/event-stream"}


class EventReader:
    """Where events are read, and what the lines say. An event is lines of JSON and an empty line."""

    SILENCE_S: ClassVar[float] = 60
    """Longest silence: the sequencer sends a comment every 15 seconds."""

    def __init__(self, task_id: str | None, after: int | None) -> None:
        base = "/v1/events" if task_id is None else f"/v1/tasks/{task_id}/events"
        self.path = base if after is None else f"{base}?after={after}"
        self._data: list[str] = []

    def read(self, line: str) -> Iterator[Event]:
        """The event that a line ends, if it does."""
        name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
        elif not line and self._data:
            told, self._data = "\n".join(self._data), []
            yield Event.read(json.loads(told))
