"""What is stored, what callers send, and what leaves: tables, request and response models, errors."""
