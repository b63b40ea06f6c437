"""The database underneath the verbs: scopes, transactions, retries, migrations, limits."""
