"""Stand-ins for packages that tests run without."""

import sys
import types

from okd_brain.measures import optional


def stand_in_for_speechmos(monkeypatch):
    """Replace speechmos by a module that keeps what it is given as ``calls``."""
    module = types.ModuleType("speechmos.dnsmos")
    module.calls = []

    def run(sample, sr):
        module.calls.append((sample, sr))
        return {"ovrl_mos": 2.5, "sig_mos": 3.0, "bak_mos": 3.5, "p808_mos": 4}

    module.run = run
    monkeypatch.setattr(optional, "is_installed", lambda extra: True)
    monkeypatch.setitem(sys.modules, "speechmos", types.ModuleType("speechmos"))
    monkeypatch.setitem(sys.modules, "speechmos.dnsmos", module)
    return module
