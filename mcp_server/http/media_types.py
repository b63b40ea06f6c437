"""The headers Content-Type and Accept (RFC 9110 sections 8.3.1 and 12.5.1), compared case-insensitively."""

JSON = "application/json"
EVENTS = "text/event-stream"


def is_json(content_types: list[str]) -> bool:
    """Whether there is one Content-Type and it is JSON. JSON defines no parameters (RFC 8259 section 11)."""
    return len(content_types) == 1 and _name(content_types[0]) == JSON


def accepts(accepted: list[str], media_type: str) -> bool:
    """Whether the Accept headers allow a response of this type. The most specific range decides.

    Without any range everything is accepted; weight 0 excludes a type.
    """
    ranges = {_name(item): _weight(item) for item in ",".join(accepted).split(",") if item.strip()}
    closest = (media_type, f"{media_type.partition('/')[0]}/*", "*/*", "*")
    return not ranges or next((ranges[name] > 0 for name in closest if name in ranges), False)


def _name(value: str) -> str:
    return value.partition(";")[0].strip().lower()


def _weight(value: str) -> float:
    for parameter in value.split(";")[1:]:
        name, _, weight = parameter.partition("=")
        if name.strip().lower() == "q":
            # A malformed weight counts as none: the client did name the type.
            try:
                return float(weight)
            except ValueError:
                return 1.0
    return 1.0
