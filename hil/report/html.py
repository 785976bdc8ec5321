"""A page without scripts, styles or pictures from elsewhere. Every text goes through `escape`; nothing else builds markup."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 1120px; margin: 0 auto; padding: 24px; }
h1 { font-size: 28px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 36px 0 8px; }
p.lead { color: #555; margin: 0 0 16px; } p.note { color: #555; font-size: 14px; }
.origin { padding: 14px 18px; border-radius: 6px; font-weight: 600; font-size: 20px; margin: 16px 0; }
.simulated, .imported { background: #fff3d6; border: 2px solid #e69f00; } .measured { background: #e2f2ea; border: 2px solid #009e73; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } .wide { overflow-x: auto; }
th, td { padding: 5px 14px 5px 0; text-align: left; border-bottom: 1px solid #ddd; vertical-align: top; }
td.number, th.number { text-align: right; } code { font-size: 13px; overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; display: block; margin: 8px 0; } figure { margin: 0; } figcaption { color: #555; font-size: 14px; }
"""


def text(value: object) -> str:
    return escape(str(value), quote=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns whose every cell is a number, or a text that starts like one, stand to the right."""
    numeric = [bool(rows) and all(_like_number(row[index]) for row in rows) for index in range(len(columns))]
    head = "".join(_cell("th", name, right) for name, right in zip(columns, numeric, strict=True))
    body = "".join(f"<tr>{''.join(_cell('td', value, right) for value, right in zip(row, numeric, strict=True))}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _like_number(value: object) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and value.lstrip("+-−")[:1].isdigit()) or value == "–"


def _cell(tag: str, value: object, right: bool) -> str:
    shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    opening = f'{tag} class="number"' if right else tag
    return f"<{opening}>{text(shown)}</{tag}>"


def facts(values: Mapping[str, object]) -> str:
    """Name and value, one a line; a value that has names itself is written out."""
    rows = "".join(f"<tr><th>{text(name)}</th><td>{text(_flat(value))}</td></tr>" for name, value in values.items())
    return f"<table><tbody>{rows}</tbody></table>"


def _flat(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    return "; ".join(f"{name}: {_flat(inner)}" for name, inner in value.items())


def picture(png: bytes, caption: str) -> str:
    source = base64.b64encode(png).decode("ascii")
    return f'<figure><img alt="{text(caption)}" src="data:image/png;base64,{source}"><figcaption>{text(caption)}</figcaption></figure>'


def section(title: str, *parts: str) -> str:
    return f"<section><h2>{text(title)}</h2>{''.join(parts)}</section>"


def note(words: str) -> str:
    return f'<p class="note">{text(words)}</p>'


def page(title: str, lead: str, *parts: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{text(title)}</title><style>{STYLE}</style></head>"
        f'<body><h1>{text(title)}</h1><p class="lead">{text(lead)}</p>{"".join(parts)}</body></html>\n'
    )
