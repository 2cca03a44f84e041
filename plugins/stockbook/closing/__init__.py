"""Months that people signed: what is signed, a landed close for ever, digests that chain."""
