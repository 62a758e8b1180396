"""Make the built book self-contained: MathJax from a pip package, no script from another host.

MathJax draws SVG from glyphs inside the one script, so no font files are needed. Jupyter Book 1
always loads sphinx_thebe, which names a CDN on every page; its files are dropped.
"""

from importlib.metadata import distribution
from pathlib import Path
from shutil import copyfile

MATHJAX = "tex-svg-full.js"


def _copy_mathjax(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    source = next(f for f in distribution("sphinx-mathjax-offline").files if f.name == MATHJAX)
    target = Path(app.outdir, "_static", "mathjax", MATHJAX)
    target.parent.mkdir(parents=True, exist_ok=True)
    copyfile(source.locate(), target)


def _is_thebe(asset):
    """True for thebe's files and for the inline scripts that configure it."""
    body = getattr(asset, "attributes", {}).get("body") or ""
    return "thebe" in str(getattr(asset, "filename", asset) or "") or "thebe" in body.lower()


def _drop_thebe(app, pagename, templatename, context, doctree):
    for kind in ("script_files", "css_files"):
        context[kind] = [asset for asset in context.get(kind, []) if not _is_thebe(asset)]


def setup(app):
    app.connect("html-page-context", _drop_thebe, priority=900)
    app.connect("build-finished", _copy_mathjax)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
