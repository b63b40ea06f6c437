"""Archives: everything of one person as one file, and files of other programs, into their tasks and conversations."""
