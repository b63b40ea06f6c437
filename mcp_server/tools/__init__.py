"""The tools: one file for each topic. A tool is a function that validates arguments and calls a storage verb."""
