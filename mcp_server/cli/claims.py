"""`taskdeck claim-local`: gives an account what was added on this machine without one."""

from collections.abc import Sequence

from mcp_server.identity.local_owner import DEFAULT_ID, read_local_owner, write_local_owner
from mcp_server.settings import Settings, SettingsError
from storage.embedded_postgres import supervisor
from storage.people.accounts import Account, list_accounts
from storage.people.merge import merge_users


async def claim(settings: Settings, owner_url: str, user: str, sources: Sequence[str]) -> str:
    """Make the account `user` (e-mail or id) the local owner, and return a summary for people.

    The account gets everything of the local owner until now, and of the users `sources`. Nothing is taken from another
    account. Safe to repeat.

    Raises:
        SettingsError: there is no such account, or a source is an account.
        OSError: the data folder cannot be written.
    """
    accounts, owner_id = await list_accounts(owner_url), read_local_owner(settings)
    account = _find(accounts, user, owner_id)
    others = {each.user_id: each.email for each in accounts if each != account}
    if taken := [others[source] for source in sources if source in others]:
        raise SettingsError(f"--from: {taken[0]} is an account of its own, and its tasks stay there")
    ids = [each for each in dict.fromkeys([owner_id, DEFAULT_ID, *sources]) if each not in {account.user_id, *others}]
    # First the new owner, so that servers started from now on add nothing more to the old one.
    write_local_owner(settings, account.user_id)
    administrator = supervisor.administrator_uri(settings.data_dir)
    moved = [await merge_users(administrator, source, account.user_id) for source in ids]
    tasks, conversations = sum(each.tasks for each in moved), sum(each.conversations for each in moved)
    return (
        f"{account.email} is the person at this machine: `taskdeck stdio` and `taskdeck token` reach the tasks of that "
        f"account.\n{tasks} tasks and {conversations} conversations became theirs. "
        "Clients that run `taskdeck stdio` or hold an older token have to be started again, with a new token."
    )


def _find(accounts: Sequence[Account], user: str, owner_id: str) -> Account:
    for account in accounts:
        if user == account.user_id or user.lower() == account.email.lower():
            return account
    if user == owner_id and not accounts:
        return Account(owner_id, owner_id)
    known = ", ".join(account.email for account in accounts)
    hint = f"The accounts are: {known}" if known else "Make one on the dashboard first; the first one gets all this"
    raise SettingsError(f"--user: the dashboard has no account {user}. {hint}")
