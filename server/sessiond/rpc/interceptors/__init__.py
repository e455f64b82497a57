"""What every call goes through, outermost first: log, errors, overload, deadline, credentials."""
