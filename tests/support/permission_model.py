"""Who may see and do what, without a database: the model that Taskdeck is compared with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

NEVER = datetime.min.replace(tzinfo=UTC)
OK = ""
REFUSED = "refused"
MANAGERS = ("owner", "admin")


@dataclass
class Task:
    """A task of the model."""

    owner: str
    team: int | None
    title: str
    parent: int | None = None
    status: str = "pending"
    deleted: int | None = None  # the number of the call that deleted it
    shares: dict[str, str] = field(default_factory=dict[str, str])
    givers: dict[str, str] = field(default_factory=dict[str, str])
    """Who gave each share, or changed it last."""
    taken_back: set[str] = field(default_factory=set[str])
    """Who had a share until somebody else took it back."""
    priority: str = "medium"
    due: str | None = None
    tags: list[str] = field(default_factory=list[str])
    recurrence: str | None = None
    created_at: datetime = NEVER
    completed_at: datetime | None = None


@dataclass
class Chat:
    """A conversation of the model."""

    owner: str
    messages: list[str]
    title: str | None = None


@dataclass
class PermissionModel:
    """All tasks, teams and conversations. Each `may_` method returns OK, REFUSED, or the exact error of the tool."""

    tasks: dict[int, Task] = field(default_factory=dict[int, Task])
    teams: dict[int, dict[str, str]] = field(default_factory=dict[int, dict[str, str]])
    chats: dict[int, Chat] = field(default_factory=dict[int, Chat])

    def role(self, user: str, team: int | None) -> str | None:
        return None if team is None else self.teams.get(team, {}).get(user)

    def access_ignoring_deletion(self, user: str, task_id: int) -> str | None:
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
        """Like `access_ignoring_deletion`, but None for a deleted task."""
        task = self.tasks.get(task_id)
        return None if task is None or task.deleted is not None else self.access_ignoring_deletion(user, task_id)

    def children(self, user: str, task_id: int | None) -> set[int]:
        """The direct subtasks that the user sees."""
        return {n for n, task in self.tasks.items() if task.parent == task_id and self.access(user, n)}

    def parent(self, user: str, task_id: int) -> int | None:
        """The parent, if the user sees it."""
        above = self.tasks[task_id].parent
        return above if above is not None and self.access(user, above) else None

    def is_below(self, user: str, task_id: int, above: int) -> bool:
        """Whether a task equals or is below another, along tasks that the user sees or could restore."""
        passed: set[int] = set()
        step: int | None = task_id
        while step is not None and step not in passed:
            deleted = self.tasks[step].deleted is not None
            if not (self.access_ignoring_deletion(user, step) == "owner" if deleted else self.access(user, step)):
                return False
            if step == above:
                return True
            passed.add(step)
            step = self.tasks[step].parent
        return False

    def open_below(self, user: str, task_id: int) -> int:
        """The number of open subtasks at any depth that the user sees."""
        below = self._below(task_id, lambda n: self.access(user, n) is not None) - {task_id}
        return sum(self.tasks[n].status != "completed" for n in below)

    def delete_tree(self, user: str, task_id: int, call: int) -> int:
        """Delete a task and return the number of subtasks deleted with it, now or before."""
        if self.tasks[task_id].deleted is None:
            for n in self._below(task_id, lambda n: self.access(user, n) == "owner"):
                self.tasks[n].deleted = call
        return len(self._deleted_together(user, task_id)) - 1

    def restore_tree(self, user: str, task_id: int) -> int:
        """Restore a task and return the number of subtasks restored with it."""
        if self.tasks[task_id].deleted is None:
            return 0
        back = self._deleted_together(user, task_id)
        for n in back:
            self.tasks[n].deleted = None
        return len(back) - 1

    def _deleted_together(self, user: str, task_id: int) -> set[int]:
        call = self.tasks[task_id].deleted
        return self._below(
            task_id, lambda n: self.tasks[n].deleted == call and self.access_ignoring_deletion(user, n) == "owner"
        )

    def _below(self, task_id: int, goes: Callable[[int], bool]) -> set[int]:
        """A task and its subtasks for which `goes` holds, without those below one for which it does not."""
        found, waiting = {task_id}, [task_id]
        while waiting:
            above = waiting.pop()
            fresh = {n for n, task in self.tasks.items() if task.parent == above and goes(n)} - found
            found |= fresh
            waiting += fresh
        return found

    def seen(self, user: str, scope: str) -> dict[int, Task]:
        """The tasks in a list, not deleted."""

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
        return self.may_place(user, task.owner, team)

    def may_place(self, user: str, owner: str, team: int | None) -> str:
        """Whether somebody may put a task of this owner's into a team, whose member the owner must be."""
        outsider = team is not None and self.role(owner, team) is None
        return self.may_put_into(user, team) or (REFUSED if outsider else OK)

    def may_put_below(self, user: str, parent: int | None) -> str:
        return OK if parent is None or self.access(user, parent) else no_task(parent)

    def may_move_below(self, user: str, task_id: int, parent: int) -> str:
        allowed = self.may_change(user, task_id) or self.may_put_below(user, parent)
        return allowed or (REFUSED if self.is_below(user, parent, task_id) else OK)

    def may_delete(self, user: str, task_id: int) -> str:
        access_ignoring_deletion = self.access_ignoring_deletion(user, task_id)
        if access_ignoring_deletion == "owner":
            return OK
        return REFUSED if self.access(user, task_id) else no_task(task_id)

    def may_share(self, user: str, task_id: int, other: str) -> str:
        access = self.access(user, task_id)
        if access is None:
            return no_task(task_id)
        return REFUSED if access != "owner" or other in (user, self.tasks[task_id].owner) else OK

    def may_add_member(self, user: str, team: int, other: str, role: str) -> str:
        mine, present = self.role(user, team), self.role(other, team)
        if mine is None:
            return no_team(team)
        if mine not in MANAGERS or (mine != "owner" and "owner" in (role, present)):
            return REFUSED
        return REFUSED if self._is_last_owner(team, other) and role != "owner" else OK

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
