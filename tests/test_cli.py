"""How commands end, and that faces import late."""

import pytest

from okd_brain import cli
from okd_brain.messages import UserError


def fail(error):
    raise error


def test_an_error_of_the_users_is_one_line(capsys):
    assert cli.run(fail, UserError("a.wav: does not exist.")) == 2
    assert capsys.readouterr().err == "error: a.wav: does not exist.\n"
    assert cli.run(fail, OSError(28, "No space left", "b.wav")) == 2
    assert "b.wav" in capsys.readouterr().err


def test_names_that_are_not_utf8_can_be_printed(capsys):
    assert cli.run(fail, UserError("caf\udce9.wav: is silent.")) == 2
    assert capsys.readouterr().err == "error: caf\\xe9.wav: is silent.\n"


@pytest.mark.parametrize("error", [RuntimeError("a bug"), ValueError("a bug")])
def test_a_bug_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        cli.run(fail, error)


def test_a_traceback_can_be_had(monkeypatch):
    with pytest.raises(UserError):
        cli.run(fail, UserError("wrong"), traceback=True)
    monkeypatch.setenv(cli.DEBUG_VARIABLE, "1")
    with pytest.raises(UserError):
        cli.run(fail, UserError("wrong"))


def test_ctrl_c_has_its_code_and_says_how_to_go_on(capsys):
    code = cli.run(
        fail, KeyboardInterrupt(), after_interrupt="The same command goes on."
    )
    assert code == 130
    assert "The same command goes on." in capsys.readouterr().err


def test_every_parser_knows_its_version(capsys):
    with pytest.raises(SystemExit) as end:
        cli.make_parser(prog="okd-x").parse_args(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("okd ")


@pytest.mark.parametrize(
    "typed, said",
    [
        ("train.py", "python train.py hparams/a.yaml; train.py was given"),
        ("/bin/okd-train", "okd-train a; okd-train was given"),
    ],
)
def test_help_names_what_was_typed(typed, said, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [typed])
    parser = cli.make_parser(
        description="python train.py hparams/a.yaml; train.py was given"
    )
    parser.print_help()
    assert said in capsys.readouterr().out


def test_a_face_imports_late():
    getter, lister, names = cli.attach("okd_brain", {"messages": ["listed"]})
    assert getter("listed")(["a"]) == "a"
    assert lister() == names == ["listed"]
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        getter("other")
