"""Small packages written to disk, imported and fingerprinted: what the tests of both share."""

import importlib
import sys
from types import SimpleNamespace

from privrob.lab import fingerprint, opaque, sources

NAME = "specimen"
CACHES = (
    sources.path,
    sources.read,
    opaque.opaque,
    fingerprint._statement,
    fingerprint._imported_with,
)


def forget():
    """Read every source anew."""
    for cached in CACHES:
        cached.cache_clear()
    importlib.invalidate_caches()


class Package:
    """A package with a task `specimen.tasks.work.task`, under a folder of its own."""

    def __init__(self, folder, monkeypatch, texts):
        self.root, self.texts = folder / NAME, texts
        monkeypatch.setattr(sources, "PACKAGE", NAME)
        monkeypatch.setattr(fingerprint, "TASKS", f"{NAME}.tasks")
        monkeypatch.setattr(fingerprint, "IN_THE_KEY", (f"{NAME}.tasks", f"{NAME}.lab"))
        monkeypatch.setattr(fingerprint, "REGISTRIES", (f"{NAME}.models.MODELS",))
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(self, changes=()):
        for name, text in self.texts.items():
            for where, old, new in changes:
                if where == name:
                    assert old in text
                    text = text.replace(old, new)
            path = self.root / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        forget()

    def take(self, *changes, chosen=("small",)):
        """The fingerprint of the task after some changes: (module, old text, new text)."""
        self.write(changes)
        task = SimpleNamespace(__module__=f"{NAME}.tasks.work", __name__="task")
        return fingerprint.fingerprint(task, chosen=chosen)

    def value(self, *changes):
        """What the task gives after them: the package is imported anew and run."""
        self.write(changes)
        self.unload()
        try:
            return importlib.import_module(f"{NAME}.tasks.work").task("small")
        finally:
            self.unload()

    def unload(self):
        for name in [n for n in sys.modules if n.split(".")[0] == NAME]:
            del sys.modules[name]
