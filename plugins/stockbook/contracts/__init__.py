"""What others rely on, as contracts of the Open Data Contract Standard, and what a new version breaks of them."""
