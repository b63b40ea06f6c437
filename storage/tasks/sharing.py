"""Verbs that share a task with one person, to view or to edit."""

from sqlalchemy import BigInteger, Boolean, Text, and_, bindparam, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from storage.engine.database import Row, Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import compiled
from storage.people import invitations, users
from storage.schema.errors import InvalidInput, NeedsConsent, NotAllowed, NotFound
from storage.schema.request_models import Permission
from storage.schema.response_models import AllUnshared, Share, TaskShares
from storage.schema.tables import TaskShare, User
from storage.tasks.columns import find_one

_TASK = bindparam("task_id", type_=BigInteger)
_USER = bindparam("user_id", type_=Text)

# An outer join: an admin of the team sees the shares of a task, but not the profile of a recipient outside the team.
_SHARES = compiled(
    select(col(TaskShare.shared_with_user_id), col(User.email), col(TaskShare.permission))
    .join(User, col(User.id) == col(TaskShare.shared_with_user_id), isouter=True)
    .where(
        col(TaskShare.task_id) == _TASK,
        bindparam("all_shares", type_=Boolean) | (col(TaskShare.shared_with_user_id) == func.current_user_id()),
    )
    .order_by(col(TaskShare.created_at), col(TaskShare.shared_with_user_id))
)
_sharing = insert(TaskShare).values(
    task_id=_TASK,
    shared_with_user_id=_USER,
    owner_id=bindparam("owner", type_=Text),
    permission=bindparam("permission", type_=Text),
)
# An unchanged permission updates no row, so the trigger writes no event that undo would have to revert.
_SHARE = compiled(
    _sharing.on_conflict_do_update(
        index_elements=["task_id", "shared_with_user_id"],
        set_={"permission": _sharing.excluded.permission},
        where=col(TaskShare.permission) != _sharing.excluded.permission,
    )
)
_UNSHARE = compiled(
    delete(TaskShare)
    .where(col(TaskShare.task_id) == _TASK, col(TaskShare.shared_with_user_id) == _USER)
    .returning(col(TaskShare.task_id))
)

_UNSHARE_ALL = compiled(
    delete(TaskShare)
    .where(
        or_(
            and_(col(TaskShare.owner_id) == func.current_user_id(), col(TaskShare.shared_with_user_id) == _USER),
            and_(col(TaskShare.owner_id) == _USER, col(TaskShare.shared_with_user_id) == func.current_user_id()),
        )
    )
    .returning(col(TaskShare.task_id))
)


@retry_transient
async def share(
    scope: Scope, task_id: int, person: str, permission: Permission = "view", *, ask: bool = False
) -> TaskShares:
    """Share a task with a person (id or e-mail); sharing again changes the permission.

    Somebody new gets an invitation instead, and the answer is the same whether anybody is known by that name or not.

    Raises:
        NotFound: no such task; NotAllowed: the caller may not share it; InvalidInput: with oneself, or with the task's
        owner; Conflict: too many invitations; NeedsConsent: with somebody new, and the caller is to `ask`.
    """
    async with scope.transaction() as transaction:
        row = await find_one(transaction, task_id)
        if row["access"] != "owner":
            raise NotAllowed(f"Only the owner of task {task_id} or an admin of its team may share it.")
        found = await users.find(transaction, person)
        user_id = found["id"] if found else None
        if user_id == scope.user_id:
            raise InvalidInput("You cannot share a task with yourself. Name another person.")
        if found and user_id == row["owner"]:
            raise InvalidInput(f"{person} owns task {task_id} already. Name another person.")
        if user_id is None or await users.permission_of(transaction, task_id, user_id) is None:
            await transaction.quotas.check(transaction, "shares")
        if user_id is not None and await invitations.takes_directly(transaction, user_id, task_id=task_id):
            await put_share(transaction, row, user_id, permission)
            return TaskShares(task_id=task_id, shares=await shares_of(transaction, row))
        await invitations.invite(transaction, person, permission, task_id=task_id)
        if ask:
            raise NeedsConsent(1, [row["title"]])
        return TaskShares(task_id=task_id, shares=await shares_of(transaction, row), status="pending")


@retry_transient
async def unshare(scope: Scope, task_id: int, person: str) -> TaskShares:
    """Remove a share, or the invitation to it. The recipient may do so as well.

    Raises:
        NotFound: no such task or share; NotAllowed: the share is somebody else's.
    """
    async with scope.transaction() as transaction:
        row = await find_one(transaction, task_id)
        found = await users.find(transaction, person)
        user_id = found["id"] if found else None
        if row["access"] != "owner" and user_id != scope.user_id:
            raise NotAllowed(
                f"Only the owner of task {task_id} or an admin of its team may unshare it with others. "
                "You may give back what is shared with you."
            )
        dropped = user_id is not None and await drop_share(transaction, task_id, user_id)
        withdrawn = await invitations.withdraw(transaction, person, task_id=task_id)
        if not dropped and not withdrawn:
            raise NotFound(f"Task {task_id} is not shared with {person}. Use get_task to see with whom it is.")
        # A recipient who gives up a share may not see the others, and may no longer see the task.
        shares = await shares_of(transaction, row) if row["access"] == "owner" else []
        return TaskShares(task_id=task_id, shares=shares)


@retry_transient
async def unshare_all(scope: Scope, person: str) -> AllUnshared:
    """Take back all shares and invitations that the caller gave one person, and give back all that they gave.

    Raises:
        NotFound: there are none.
    """
    async with scope.transaction() as transaction:
        found = await users.find(transaction, person)
        ended = await transaction.fetch_all(_UNSHARE_ALL, user_id=found["id"]) if found else []
        withdrawn = await invitations.withdraw(transaction, person)
        if not ended and not withdrawn:
            raise NotFound(f"You share no task with {person}. Use list_tasks with scope=shared to see what you share.")
        return AllUnshared(unshared=len(ended))


async def put_share(transaction: Transaction, row: Row, user_id: str, permission: str) -> None:
    """Share a visible task, or change the permission of its share, within a transaction."""
    # The column is empty for one's own tasks. A foreign key requires that this is the task's owner.
    owner = row["owner"] or transaction.user_id
    await transaction.run(_SHARE, task_id=row["id"], user_id=user_id, owner=owner, permission=permission)


async def drop_share(transaction: Transaction, task_id: int, user_id: str) -> bool:
    """Remove a share within a transaction; False if there is none that the caller may remove."""
    return await transaction.fetch_value(_UNSHARE, task_id=task_id, user_id=user_id) is not None


async def shares_of(transaction: Transaction, row: Row) -> list[Share]:
    """A task's shares: all of them for whoever may share it, else only the caller's own."""
    rows = await transaction.fetch_all(_SHARES, task_id=row["id"], all_shares=row["access"] == "owner")
    return [
        Share.model_construct(user_id=r["shared_with_user_id"], email=r["email"], permission=r["permission"])
        for r in rows
    ]
