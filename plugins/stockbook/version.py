"""The version of Stockbook, written into every run and every file it makes."""

VERSION = "0.2.0"
