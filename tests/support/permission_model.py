"""Who may see and do what, written down once more without a database: the model that Taskdeck is held against."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

NEVER = datetime.min.replace(tzinfo=UTC)
OK = ""
REFUSED = "refused"
MANAGERS = ("owner", "admin")


@dataclass
class Task:
    """What is known of a task."""

    owner: str
    team: int | None
    title: str
    parent: int | None = None
    status: str = "pending"
    deleted: int | None = None  # the number of the call that deleted it
    shares: dict[str, str] = field(default_factory=dict[str, str])
    priority: str = "medium"
    due: str | None = None
    tags: list[str] = field(default_factory=list[str])
    recurrence: str | None = None
    created_at: datetime = NEVER
    completed_at: datetime | None = None


@dataclass
class Chat:
    """What is known of a conversation."""

    owner: str
    messages: list[str]
    title: str | None = None


@dataclass
class PermissionModel:
    """Everything that exists. Each verb gives OK, REFUSED, or the exact sentence that a tool must say."""

    tasks: dict[int, Task] = field(default_factory=dict[int, Task])
    teams: dict[int, dict[str, str]] = field(default_factory=dict[int, dict[str, str]])
    chats: dict[int, Chat] = field(default_factory=dict[int, Chat])

    def role(self, user: str, team: int | None) -> str | None:
        return None if team is None else self.teams.get(team, {}).get(user)

    def standing(self, user: str, task_id: int) -> str | None:
        """`owner`, `edit` or `view`, whether the task is deleted or not."""
        task = self.tasks.get(task_id)
        if task is None:
            return None
        role, share = self.role(user, task.team), task.shares.get(user)
        if user == task.owner or role in MANAGERS:
            return "owner"
        if role == "member" or share == "edit":
            return "edit"
        return "view" if role or share else None

    def access(self, user: str, task_id: int) -> str | None:
        """As `standing`, and None for a deleted task."""
        task = self.tasks.get(task_id)
        return None if task is None or task.deleted is not None else self.standing(user, task_id)

    def children(self, user: str, task_id: int | None) -> set[int]:
        """The subtasks right below a task that somebody sees."""
        return {n for n, task in self.tasks.items() if task.parent == task_id and self.access(user, n)}

    def parent(self, user: str, task_id: int) -> int | None:
        """The task above one, if somebody sees it."""
        above = self.tasks[task_id].parent
        return above if above is not None and self.access(user, above) else None

    def is_below(self, user: str, task_id: int, above: int) -> bool:
        """Whether a task is another or below it, as far as somebody can tell: tasks one could restore count."""
        passed: set[int] = set()
        step: int | None = task_id
        while step is not None and step not in passed:
            deleted = self.tasks[step].deleted is not None
            if not (self.standing(user, step) == "owner" if deleted else self.access(user, step)):
                return False
            if step == above:
                return True
            passed.add(step)
            step = self.tasks[step].parent
        return False

    def open_below(self, user: str, task_id: int) -> int:
        """How many tasks below one somebody sees that are not completed."""
        below = self._below(task_id, lambda n: self.access(user, n) is not None) - {task_id}
        return sum(self.tasks[n].status != "completed" for n in below)

    def delete_tree(self, user: str, task_id: int, call: int) -> int:
        """Delete a task with what goes with it; how many subtasks that are, also if it was deleted before."""
        if self.tasks[task_id].deleted is None:
            for n in self._below(task_id, lambda n: self.access(user, n) == "owner"):
                self.tasks[n].deleted = call
        return len(self._deleted_together(user, task_id)) - 1

    def restore_tree(self, user: str, task_id: int) -> int:
        """Restore a task with what went with it; how many subtasks that are."""
        if self.tasks[task_id].deleted is None:
            return 0
        back = self._deleted_together(user, task_id)
        for n in back:
            self.tasks[n].deleted = None
        return len(back) - 1

    def _deleted_together(self, user: str, task_id: int) -> set[int]:
        call = self.tasks[task_id].deleted
        return self._below(task_id, lambda n: self.tasks[n].deleted == call and self.standing(user, n) == "owner")

    def _below(self, task_id: int, goes: Callable[[int], bool]) -> set[int]:
        """A task and those below it; below one that does not go, nothing does."""
        found, waiting = {task_id}, [task_id]
        while waiting:
            above = waiting.pop()
            fresh = {n for n, task in self.tasks.items() if task.parent == above and goes(n)} - found
            found |= fresh
            waiting += fresh
        return found

    def seen(self, user: str, scope: str) -> dict[int, Task]:
        """The live tasks that a listing shows."""

        def wanted(task: Task) -> bool:
            match scope:
                case "mine":
                    return task.owner == user
                case "team":
                    return self.role(user, task.team) is not None
                case "shared":
                    return user in task.shares and task.owner != user
                case _:
                    return True

        return {n: task for n, task in self.tasks.items() if self.access(user, n) and wanted(task)}

    def may_read(self, user: str, task_id: int) -> str:
        return OK if self.access(user, task_id) else no_task(task_id)

    def may_change(self, user: str, task_id: int) -> str:
        access = self.access(user, task_id)
        return no_task(task_id) if access is None else REFUSED if access == "view" else OK

    def may_put_into(self, user: str, team: int | None) -> str:
        role = self.role(user, team)
        return OK if team is None else no_team(team) if role is None else REFUSED if role == "viewer" else OK

    def may_move(self, user: str, task_id: int, team: int | None) -> str:
        access = self.access(user, task_id)
        if access is None:
            return no_task(task_id)
        task = self.tasks[task_id]
        if team == task.team and team is not None:
            return self.may_change(user, task_id)
        if access != "owner" or (team is None and task.owner != user):
            return REFUSED
        return self.may_put_into(user, team)

    def may_put_below(self, user: str, parent: int | None) -> str:
        return OK if parent is None or self.access(user, parent) else no_task(parent)

    def may_move_below(self, user: str, task_id: int, parent: int) -> str:
        allowed = self.may_change(user, task_id) or self.may_put_below(user, parent)
        return allowed or (REFUSED if self.is_below(user, parent, task_id) else OK)

    def may_delete(self, user: str, task_id: int) -> str:
        standing = self.standing(user, task_id)
        if standing == "owner":
            return OK
        return REFUSED if self.access(user, task_id) else no_task(task_id)

    def may_share(self, user: str, task_id: int, other: str) -> str:
        access = self.access(user, task_id)
        if access is None:
            return no_task(task_id)
        return REFUSED if access != "owner" or other in (user, self.tasks[task_id].owner) else OK

    def may_unshare(self, user: str, task_id: int, other: str) -> str:
        access = self.access(user, task_id)
        if access is None:
            return no_task(task_id)
        return OK if (access == "owner" or user == other) and other in self.tasks[task_id].shares else REFUSED

    def may_add_member(self, user: str, team: int, other: str, role: str) -> str:
        mine, present = self.role(user, team), self.role(other, team)
        if mine is None:
            return no_team(team)
        if mine not in MANAGERS or (mine != "owner" and "owner" in (role, present)):
            return REFUSED
        return REFUSED if self._is_last_owner(team, other) and role != "owner" else OK

    def may_remove_member(self, user: str, team: int, other: str) -> str:
        mine, present = self.role(user, team), self.role(other, team)
        if mine is None:
            return no_team(team)
        if present is None or self._is_last_owner(team, other):
            return REFUSED
        return OK if user == other or mine == "owner" or (mine == "admin" and present != "owner") else REFUSED

    def _is_last_owner(self, team: int, user: str) -> bool:
        return [member for member, role in self.teams[team].items() if role == "owner"] == [user]

    def may_use_chat(self, user: str, chat: int) -> str:
        return OK if chat in self.chats and self.chats[chat].owner == user else no_chat(chat)


def no_task(task_id: int) -> str:
    return f"No task {task_id}. Use list_tasks to find its id."


def no_team(team: int) -> str:
    return f"No team {team}. Use list_teams to find its id."


def no_chat(chat: int) -> str:
    return f"No conversation {chat}. Use list_conversations to find its id."
