"""Conditional requests by RFC 9110, section 13: lists, `*`, and weak comparison for If-None-Match."""

import re

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_LIST = re.compile(rf"\s*(?:{_TAG.pattern}\s*)?(?:,\s*(?:{_TAG.pattern}\s*)?)*")


def strong(identity: str, form: str) -> str:
    """The tag of one form of a content. identity: known before the bytes are read."""
    return f'"{identity}-{form}"'


def none_match(header: str | None, tag: str | None) -> bool:
    """Whether If-None-Match lets the request through. tag: of the present form; None when there is none.

    A header that is no list of tags matches nothing: the whole answer is then the safe one.
    """
    if header is None or tag is None:
        return True
    if header.strip() == "*":
        return False
    if not _LIST.fullmatch(header):
        return True
    return tag.strip('"') not in {found.group(1) for found in _TAG.finditer(header)}
