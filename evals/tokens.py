"""Counts tokens with one public vocabulary, so that models and servers are compared by one measure."""

import warnings


def count(text: str) -> int:
    """The tokens of a text in the encoding o200k_base."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # its own way to find its data
        import bpe_openai  # pyright: ignore[reportMissingTypeStubs]

        return len(bpe_openai.get_encoding("o200k_base").encode(text))  # pyright: ignore
