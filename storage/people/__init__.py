"""Users and the teams they form."""
