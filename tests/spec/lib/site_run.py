"""`holdfast run` of one node of a site file that a test writes."""

import os

from lib.monitor import holdfast_path
from lib.procs import Server
from lib.wait import wait_until


class SiteRun(Server):
    """One process of `holdfast run`; text is the site file."""

    def __init__(self, table, directory, text, *, node=None, name="site", netns=None):
        self.table, self.name, self.node, self.netns = table, name, node, netns
        self.dir = os.path.join(str(directory), name)
        os.makedirs(self.dir, exist_ok=True)
        self.path = os.path.join(self.dir, "site.yaml")
        self.write(text)
        self.starts = 0

    def write(self, text):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)

    def spawn(self):
        self.starts += 1
        self.process = self.table.spawn(
            [holdfast_path(), "run", self.path] + (["--node", self.node] if self.node else []),
            cwd=self.dir, name=f"{self.name}-{self.starts}", netns=self.netns)
        return self.process

    def start(self):
        self.spawn()
        return self

    def log_text(self):
        return self.process.output()

    def wait_said(self, text, within_s=10, times=1):
        """The log has it, so often."""
        def said():
            assert self.alive(), f"{self.name} ended: {self.log_text()}"
            return self.log_text().count(text) >= times
        wait_until(said, within_s, f"{self.name} says {text!r}")
        return self


def secret(directory, name, text):
    """A file that only its owner reads; returns its path."""
    path = os.path.join(str(directory), name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
              encoding="utf-8") as file:
        file.write(text + "\n")
    return path
