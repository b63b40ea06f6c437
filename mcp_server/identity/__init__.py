"""Who is asking: tokens, keys, issuers, addresses."""
