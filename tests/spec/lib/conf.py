"""What a monitor's configuration file on disk says of its state."""

import shlex


class ConfState:
    """myid, current_epoch, and per master: address, config_epoch, leader_epoch, peers."""

    def __init__(self, text):
        self.myid, self.current_epoch = None, 0
        self.masters, self.config_epoch, self.leader_epoch = {}, {}, {}
        self.replicas, self.sentinels = {}, {}
        for line in text.splitlines():
            words = _words(line)
            if len(words) >= 3 and words[0].lower() == "sentinel":
                self._take(words[1].lower(), words[2:])

    def _take(self, directive, words):
        if directive == "myid":
            self.myid = words[0]
        elif directive == "current-epoch":
            self.current_epoch = int(words[0])
        elif directive == "monitor":
            self.masters[words[0]] = (words[1], int(words[2]))
        elif directive == "config-epoch":
            self.config_epoch[words[0]] = int(words[1])
        elif directive == "leader-epoch":
            self.leader_epoch[words[0]] = int(words[1])
        elif directive in ("known-replica", "known-slave"):
            self.replicas.setdefault(words[0], set()).add((words[1], int(words[2])))
        elif directive == "known-sentinel":
            self.sentinels.setdefault(words[0], {})[words[3]] = (words[1], int(words[2]))


def _words(line):
    if not line.strip() or line.lstrip().startswith("#"):
        return []
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()
