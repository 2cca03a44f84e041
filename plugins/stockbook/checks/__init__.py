"""Descriptions to Great Expectations suites, results to ``meta.check_result``."""
