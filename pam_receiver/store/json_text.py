"""JSON values as the text that goes into a column."""

import json

import orjson


class JsonText(str):
    """The text of a JSON value, which goes into a column as it is."""

    __slots__ = ()


def to_json_text(value: object) -> str:
    """Write a JSON value, for the driver."""
    if isinstance(value, JsonText):
        return value
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # half of a surrogate pair, which an operator's words may hold: escaped
        return json.dumps(value)
