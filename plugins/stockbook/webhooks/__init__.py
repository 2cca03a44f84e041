"""
Webhooks of three systems: verified and stored by the receiver, taken into staging by the drain.

What an event says is a hint. Where its source has an API that a night reads, what the event names is read again
there; the event adds only when something happened.
"""
