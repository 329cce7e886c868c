"""What to offer when a name is not known."""

from difflib import get_close_matches


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
