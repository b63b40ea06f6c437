"""Mutation testing: break one place of the product at a time, and see which tests notice.

`python -m tests.mutants` (`make mutants`) draws a sample of mutants from a seed, runs each against the tests that reach
its line, and prints the share that was killed with every survivor. README.md has the rules.
"""
