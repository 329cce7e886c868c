"""Wording of errors: what was meant, what would be accepted, how many more."""

from difflib import get_close_matches
from numbers import Real


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
    >>> offer("CSGI", ["pesq", "csig"])
    "; did you mean 'csig'? Known: pesq, csig."
    >>> offer(7, [])
    '. Known: none.'
    """
    known = list(known)
    folded = {other.casefold(): other for other in known}
    matches = get_close_matches(str(name).casefold(), folded)
    close = " or ".join(repr(folded[match]) for match in matches)
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


def counted(number, one, many=None):
    """Return a number and what it counts.

    Arguments
    ---------
    number : int
        How many.
    one : str
        What is counted, where there is one.
    many : str, optional
        What it is called otherwise; by default with an s.

    Returns
    -------
    str

    Example
    -------
    >>> counted(1, "file"), counted(1200, "file")
    ('1 file', '1,200 files')
    >>> counted(0, "file is left", "files are left")
    '0 files are left'
    """
    noun = one if number == 1 else many or f"{one}s"
    return f"{number:,} {noun}"


def duration(seconds):
    """Return a time as text.

    Arguments
    ---------
    seconds : float
        Not negative.

    Returns
    -------
    str

    Example
    -------
    >>> duration(50), duration(5000), duration(500_000)
    ('50 s', '1 h 23 min', '5 days 18 h')
    """
    if seconds < 60:
        return f"{max(1, int(seconds))} s"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    days, rest = divmod(hours, 24)
    if days:
        return f"{counted(days, 'day')} {rest} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def reason_of(error):
    r"""Return the message of another library's error, on one line.

    Arguments
    ---------
    error : Exception
        Whose message may have a line for each fault.

    Returns
    -------
    str
        The name of its class, if it has no message.

    Example
    -------
    >>> reason_of(ValueError("size mismatch:\n    2 and 3")), reason_of(EOFError())
    ('size mismatch: 2 and 3', 'EOFError')
    """
    return " ".join(str(error).split()) or type(error).__name__


def is_whole(value, least):
    """Tell whether a value is a whole number; True and False are not.

    Arguments
    ---------
    value : object
        What an option was given.
    least : int
        The smallest that is accepted.

    Returns
    -------
    bool

    Example
    -------
    >>> is_whole(2, least=1), is_whole(True, least=1), is_whole(2.0, least=1)
    (True, False, False)
    """
    is_int = isinstance(value, int) and not isinstance(value, bool)
    return is_int and value >= least


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


def check_share(name, value):
    """Refuse what is not a share of something.

    Arguments
    ---------
    name : str
        The option.
    value : object
        What it was given.

    Raises
    ------
    UserError
        If the value is not a number from 0 to 1.
    """
    if not (isinstance(value, Real) and 0 <= value <= 1):
        raise UserError(f"{name} is {value!r}, must be a number from 0 to 1")
