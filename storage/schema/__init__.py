"""Tables, request and response models, and errors."""
