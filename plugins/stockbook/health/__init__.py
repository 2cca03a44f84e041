"""Whether all is well, for the person on call and for what watches: parts of health, and the same as metrics."""
