"""What a study says of its runs while it waits for them."""

import logging

from okd_brain.studies import watch
from okd_brain.studies.watch import Watch


def test_without_a_terminal_a_run_is_a_line_now_and_then(
    tmp_path, monkeypatch, caplog
):
    class run:
        name, folder = "okd_v2, seed 1", tmp_path

    watching = Watch()
    with caplog.at_level(logging.INFO, "okd_brain.studies.watch"):
        watching.update([run])
        assert caplog.messages == []  # ten minutes have not passed
        monkeypatch.setattr(watch, "SECONDS_BETWEEN_LINES", -1.0)
        watching.update([run])
        (tmp_path / "progress.json").write_text(
            '{"text": "epoch 2/9 okd, replay 3/4, 5 min left"}'
        )
        watching.update([run])
        watching.update([])
    assert caplog.messages == [
        "okd_v2, seed 1: at work",
        "okd_v2, seed 1: epoch 2/9 okd, replay 3/4, 5 min left",
    ]
