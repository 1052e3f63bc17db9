# Home Assistant aliases voluptuous to probatio at run time; the type checker is to see that too.
from probatio import *  # noqa: F403
