"""Stub."""


class Budget: ...
