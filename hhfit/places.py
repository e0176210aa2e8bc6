"""Where in a TOML text a key stands, so that a message can say the line."""

import re

_HEADER = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([\w.\"'-]+)\s*=")


def line_of(text: str, path: str) -> int:
    r"""Line of a dotted key, or of the innermost table that holds it; 0 if there is none.

    Args:
        text: TOML text.
        path: Dotted key, such as ``"quantities.g_na.unit"``.

    Example:
        >>> line_of("[a.b]\nc = 1", "a.b.c"), line_of("[a.b]\nc = {d = 1}", "a.b.c.d"), line_of("[a]", "b")
        (2, 2, 0)
    """
    wanted = _parts(path)
    table: list[str] = []
    best, depth = 0, 0
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _parts(header.group(1))
            here = table
        elif key := _KEY.match(line):
            here = [*table, *_parts(key.group(1))]
        else:
            continue
        shared = min(len(here), len(wanted))
        if shared > depth and wanted[:shared] == here[:shared]:
            best, depth = number, shared
    return best


def with_line(message: str, texts: dict[str, str]) -> str:
    r"""A message that begins ``file: dotted.key`` with the key's line put in, as ``file:line: dotted.key``.

    Args:
        message: The message.
        texts: Text of every file that it may be about, by name.

    Example:
        >>> with_line("x.toml: a.b is 3, must be 2", {"x.toml": "[a]\nb = 3"})
        'x.toml:2: a.b is 3, must be 2'
    """
    for name, text in texts.items():
        for start in (f"{name}: ", f"{name.removesuffix('.toml')}: "):
            if message.startswith(start):
                rest = message[len(start) :]
                key = re.match(r"[\w.]+", rest)
                line = line_of(text, key.group(0).rstrip(".")) if key else 0
                return f"{name}{f':{line}' if line else ''}: {rest}"
    return message


def _parts(path: str) -> list[str]:
    return [part.strip().strip("\"'") for part in path.split(".")]
