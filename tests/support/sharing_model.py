"""What is shared, offered, accepted and ended between people: the permission model with invitations."""

from dataclasses import dataclass, field

from tests.support.permission_model import MANAGERS, OK, REFUSED, PermissionModel, no_task, no_team


@dataclass
class Invitation:
    """A role in a team or a share of a task that waits for an answer."""

    inviter: str
    client: str
    invitee: str
    team: int | None
    task: int | None
    offered: str


@dataclass
class SharingModel(PermissionModel):
    """Everything that exists, with what waits for an answer."""

    invitations: list[Invitation] = field(default_factory=list[Invitation])
    blocks: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """Inviters, each with who has blocked them."""

    def may_unshare(self, user: str, task_id: int, other: str) -> str:
        access = self.access(user, task_id)
        if access is None:
            return no_task(task_id)
        ends = other in self.tasks[task_id].shares or bool(self.withdrawable(user, other, None, task_id))
        return OK if (access == "owner" or user == other) and ends else REFUSED

    def may_remove_member(self, user: str, team: int, other: str) -> str:
        mine, present = self.role(user, team), self.role(other, team)
        if mine is None:
            return no_team(team)
        if present is None:
            may_withdraw = mine in MANAGERS and self.withdrawable(user, other, team, None)
            return OK if may_withdraw else REFUSED
        if self._is_last_owner(team, other):
            return REFUSED
        return OK if user == other or mine == "owner" or (mine == "admin" and present != "owner") else REFUSED

    def may_offer(self, user: str, team: int | None, task: int | None, offered: str) -> bool:
        if task is not None:
            return self.access(user, task) == "owner"
        role = self.role(user, team)
        return role == "owner" or (role == "admin" and offered != "owner")

    def takes_directly(self, user: str, other: str, team: int | None, task: int | None) -> bool:
        """Whether somebody need not be asked: they have it, or share something else."""
        if self.role(other, team) or (task is not None and other in self.tasks[task].shares):
            return True
        if (user, other) in self.blocks:
            return False
        lent = any(
            (owned.owner == user and other in owned.shares) or (owned.owner == other and user in owned.shares)
            for owned in self.tasks.values()
        )
        together = any(user in roles and other in roles for roles in self.teams.values())
        return lent or together

    def may_restore_share(self, user: str, other: str, task: int) -> bool:
        """Whether undoing may give a share back: its recipient had it until somebody else took it."""
        taken_back = other in self.tasks[task].taken_back and (user, other) not in self.blocks
        return taken_back or self.takes_directly(user, other, None, task)

    def invite(self, by: tuple[str, str], other: str, team: int | None, task: int | None, offered: str) -> None:
        """Invite somebody, or change what the same inviter has offered."""
        user, client = by
        for waiting in self.invitations:
            if (waiting.inviter, waiting.invitee, waiting.team, waiting.task) == (user, other, team, task):
                waiting.offered = offered
                return
        self.invitations.append(Invitation(user, client, other, team, task, offered))

    def waiting(self, user: str) -> list[Invitation]:
        """What is shown to somebody, newest first."""
        return [
            waiting
            for waiting in reversed(self.invitations)
            if waiting.invitee == user
            and (waiting.inviter, user) not in self.blocks
            and self.may_offer(waiting.inviter, waiting.team, waiting.task, waiting.offered)
        ]

    def withdrawable(self, user: str, other: str, team: int | None, task: int | None) -> list[Invitation]:
        """What somebody may take back of what was offered to another."""
        return [
            waiting
            for waiting in self.invitations
            if (waiting.invitee, waiting.team, waiting.task) == (other, team, task)
            and self.may_offer(user, team, task, waiting.offered)
        ]

    def withdraw(self, user: str, other: str, team: int | None, task: int | None) -> None:
        gone = self.withdrawable(user, other, team, task)
        self.invitations = [waiting for waiting in self.invitations if waiting not in gone]

    def end_invitation(self, answered: Invitation, answer: str) -> None:
        """Take an answered invitation away, with those that the answer ends too."""
        same = (answered.team, answered.task)
        for waiting in self.waiting(answered.invitee):
            accepted = answer == "accept" and (waiting.team, waiting.task) == same
            blocked = answer == "block" and waiting.inviter == answered.inviter
            if waiting is answered or accepted or blocked:
                self.invitations.remove(waiting)
        if answer == "block":
            self.blocks.add((answered.inviter, answered.invitee))

    def share(self, giver: str, task_id: int, other: str, permission: str) -> None:
        task = self.tasks[task_id]
        if task.shares.get(other) != permission:
            task.shares[other], task.givers[other] = permission, giver

    def leave(self, user: str, team: int, member: str) -> tuple[str, list[int]]:
        """Take a member out of a team: who gets their tasks in it, and which those are."""
        del self.teams[team][member]
        owners = [other for other, role in self.teams[team].items() if role == "owner"]
        heir = user if user in owners else owners[0]
        return heir, [n for n, task in self.tasks.items() if task.team == team and task.owner == member]

    def lost_shares(self, task_id: int, heir: str) -> list[str]:
        """Who loses a share when a task goes to another owner: those to whom its owner gave it, and the heir."""
        task = self.tasks[task_id]
        return [other for other in task.shares if other == heir or task.givers[other] == task.owner]

    def delete_team(self, team: int) -> None:
        del self.teams[team]
        self.invitations = [waiting for waiting in self.invitations if waiting.team != team]
        for task in self.tasks.values():
            if task.team == team:
                task.team = None

    def unshare(self, user: str, task_id: int, other: str) -> None:
        task = self.tasks[task_id]
        if task.shares.pop(other, None):
            (task.taken_back.discard if user == other else task.taken_back.add)(other)
        self.withdraw(user, other, None, task_id)

    def may_delete_team(self, user: str, team: int) -> str:
        role = self.role(user, team)
        return no_team(team) if role is None else OK if role == "owner" else REFUSED

    def shared_between(self, user: str, other: str) -> list[int]:
        """The tasks of one of two people that are shared with the other."""
        pairs = ((user, other), (other, user))
        return [n for n, task in self.tasks.items() if any(task.owner == a and b in task.shares for a, b in pairs)]
