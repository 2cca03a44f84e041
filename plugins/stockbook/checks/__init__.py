"""Rules of declarations, checked through Great Expectations; the results go to ``meta.check_result``."""
