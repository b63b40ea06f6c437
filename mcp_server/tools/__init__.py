"""The tools: one file a topic, each tool one function over a storage verb."""
