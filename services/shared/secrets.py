"""Takes out of a text what nobody may be told, whatever the text is about.

Texts of ours hold none of this; those of libraries, and values that a person has mistyped, may. A
secret without any of these marks cannot be told from other words: do not log what may be one.
"""

import re
from typing import Final

_STARS: Final = "***"
# Each begins with what stays, and that tells of what was there.
_SECRETS: Final = re.compile(
    r"""(?ix)
    # connection strings
    (?P<key>\b(?:AccountKey|SharedAccessKey|SharedAccessSignature)\s*=\s*)[^;"\n]+
    # the signature of an address or of a connection string
    | (?P<signature>\bsig=)[^&;"'\s]+
    # what proves who calls
    | (?P<bearer>\b(?:Bearer|Basic)[ ]+)[A-Za-z0-9._~+/-]{8,}=*
    | (?P<secret>\b(?:client_secret|(?:access|refresh|id)_token|password)["']?\s*[=:]\s*["']?)
      [^&;,"'\s]+
    # the password of an address
    | (?P<user>://[^/\s:@"']*:)[^/\s@"']+(?=@)
    # a JSON Web Token, wherever it stands
    | (?P<jwt>\beyJ)[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*
    """
)


def without_secrets(text: str) -> str:
    """The text with stars in the place of keys, signatures, tokens and passwords."""
    return _SECRETS.sub(lambda found: (found[found.lastgroup or 0]) + _STARS, text)
