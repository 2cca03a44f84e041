"""Rules of declarations, asked through Great Expectations, results to ``meta.check_result``."""
