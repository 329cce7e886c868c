"""Wording of errors: what was meant, what would be accepted, how many more."""

from difflib import get_close_matches


class UserError(ValueError):
    """An error that the user can mend; the message says how.

    Commands print its message alone, without a traceback.
    """


class MissingPackage(UserError, ModuleNotFoundError):
    """A package that one of the extras installs; the message names the extra."""


def offer(name, known):
    """Return the end of a sentence about an unknown name.

    Arguments
    ---------
    name : object
        What was given.
    known : iterable of str
        What would be accepted.

    Returns
    -------
    str

    Example
    -------
    >>> offer("csgi", ["pesq", "csig"])
    "; did you mean 'csig'? Known: pesq, csig."
    >>> offer(7, [])
    '. Known: none.'
    """
    known = list(known)
    close = " or ".join(map(repr, get_close_matches(str(name), known)))
    question = f"; did you mean {close}?" if close else "."
    return f"{question} Known: {', '.join(known) or 'none'}."


def listed(names, limit=5):
    """Return the first of some names, and how many more there are.

    Arguments
    ---------
    names : iterable
        Shown as text.
    limit : int
        How many are shown.

    Returns
    -------
    str

    Example
    -------
    >>> listed(["a", "b", "c", "d", "e", "f", "g"])
    'a, b, c, d, e and 2 more'
    """
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(map(str, names[:limit])) + more


def check_switch(name, value):
    """Refuse what is neither True nor False: the text "False" would be true.

    Arguments
    ---------
    name : str
        The option.
    value : object
        What it was given.

    Raises
    ------
    UserError
        If the value is not a bool.
    """
    if not isinstance(value, bool):
        raise UserError(
            f"{name} is {value!r}, must be True or False; on the command line "
            f"write --{name} True"
        )
