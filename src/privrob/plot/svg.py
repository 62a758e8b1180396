"""From a matplotlib figure to SVG that lives inside a page: themed, labelled, free of clashes."""

from __future__ import annotations

import hashlib
import re
from html import escape
from io import StringIO

from matplotlib.figure import Figure as Canvas

from privrob.plot.style import INK, PAPER, style
from privrob.plot.tiers import TIERS

FONTS = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
MAX_WIDTH = 580  # px: beyond this the type would be larger than that of the text around it

# Letters keep a rim in the page's colour, so that a label stays legible where a line crosses it.
_RIM = "paint-order: stroke; stroke: var(--privrob-paper, transparent); stroke-width: 3px; "


def inline_svg(figure: Canvas, *, alt: str, salt: str = "") -> str:
    """The figure as an `<svg>` element for HTML.

    Ink follows the text colour of the page, tier colours its theme. All ids carry a hash of the
    content and of `salt`, so that figures on one page never share one. The same input gives the
    same bytes.
    """
    view_box, body = _split(_draw(figure))
    body = _themed(_bare(body))
    digest = hashlib.sha256("\0".join((body, alt, salt)).encode()).hexdigest()[:10]
    return _root(view_box, alt) + _with_ids(body, prefix=f"p{digest}-") + "</svg>"


def _draw(figure: Canvas) -> str:
    buffer = StringIO()
    with style():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _split(document: str) -> tuple[str, str]:
    """The view box and what is between the root's tags."""
    root = re.search(r"<svg\b[^>]*>", document)
    box = re.search(r'viewBox="([^"]*)"', root.group()) if root else None
    if root is None or box is None:
        raise ValueError("matplotlib wrote no SVG root with a view box")
    return box.group(1), document[root.end() : document.rindex("</svg>")]


def _bare(body: str) -> str:
    """Without comments, metadata, and the style element: in HTML its `*` would mean the page."""
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<style\b.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"<defs>\s*</defs>", "", body)
    return re.sub(r"\s*\n\s*", "\n", body).replace("xlink:href", "href")


def _themed(body: str) -> str:
    """Theme colours for the stand-ins, the system's fonts, a rim round the letters."""
    colours = {INK: "currentColor", PAPER: "var(--privrob-paper, transparent)"}
    colours |= {tier.colour.lower(): tier.css_colour for tier in TIERS.values()}
    for hex_colour, css in colours.items():
        body = re.sub(rf"(?<=: ){hex_colour}\b", css, body)
    body = re.sub(r"font-family: [^;\"]*", f"font-family: {FONTS}", body)
    body = re.sub(r"(font: [^;\"]*?px) [^;\"]*", rf"\1 {FONTS}", body)
    return body.replace('<text style="', f'<text style="{_RIM}')


def _with_ids(body: str, *, prefix: str) -> str:
    body = re.sub(r'\bid="', f'id="{prefix}', body)
    body = body.replace('href="#', f'href="#{prefix}')
    return body.replace("url(#", f"url(#{prefix}")


def _root(view_box: str, alt: str) -> str:
    # `fill` covers what matplotlib leaves unsaid because it is black; joins and caps were in
    # the style element.
    look = f"width:100%;max-width:{MAX_WIDTH}px;height:auto;"
    look += "stroke-linejoin:round;stroke-linecap:butt"
    label = escape(alt, quote=True)
    return (
        f'<svg role="img" aria-label="{label}" viewBox="{view_box}" '
        f'fill="currentColor" style="{look}">'
    )
