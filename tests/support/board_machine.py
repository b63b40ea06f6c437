"""A state machine in which people edit the same tasks and conversations through the tools and in a model."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from tests.support import board_undo
from tests.support.board_model import RECURRENCE, Board, By
from tests.support.board_strategies import CLIENTS, FIELDS, PERMISSIONS, ROLES, TITLES, spelled
from tests.support.board_views import brief, now
from tests.support.client_group import ClientGroups
from tests.support.permission_model import OK, REFUSED, Task

ANSWERS = ("accept", "accept", "accept", "decline", "block")
NEVER_GIVEN = 8_000_000_000_000_000_000

Drawn = TypeVar("Drawn")
Draw = Callable[[st.SearchStrategy[Any]], Any]
"""Draws a value from a Hypothesis strategy."""

EDITS = (
    *("add", "add", "add_several", "change", "change", "change", "move", "put_below"),
    *(
        "complete",
        "complete",
        "complete",
        "reopen",
        "delete",
        "delete",
        "restore",
        "restore",
        "undo",
        "undo",
        "undo",
        "undo",
    ),
    *("share", "share", "answer", "answer", "unshare", "join", "found_team", "talk", "talk", "forget"),
)
"""The edits; frequent ones are repeated to be drawn more often."""


class Work(RuleBasedStateMachine):
    """Four people with two clients each. Every edit calls a tool, then changes the model in the same way."""

    groups: ClassVar[ClientGroups]

    def __init__(self) -> None:
        super().__init__()
        self.group = self.groups.make(CLIENTS)
        self.users = [person.user_id for person in self.group.people]
        self.board = Board(zones={person.user_id: person.timezone or "UTC" for person in self.group.people})

    # Building blocks of edits.

    def by(self, draw: Draw) -> By:
        return By(draw(st.sampled_from(self.users)), draw(st.sampled_from(CLIENTS)))

    def pick(self, draw: Draw, things: Sequence[int]) -> int:
        """One of these, or sometimes an id that does not exist."""
        return draw(st.sampled_from(things)) if things and draw(st.integers(0, 19)) < 19 else NEVER_GIVEN

    def pick_task(self, draw: Draw, by: By, *, owned: bool = False, deleted: bool = False, parent: bool = False) -> int:
        """Usually a task that the person can change, sometimes any other.

        A `parent` never recurs: tests/tools/test_recurring_subtasks.py covers subtasks of recurring tasks.
        """
        tasks = [n for n, task in self.board.tasks.items() if not (parent and task.recurrence)]
        near = [n for n in tasks if (self.board.tasks[n].deleted is not None) == deleted]
        rights = ("owner",) if owned else ("owner", "edit")
        near = [n for n in near if self.board.access_ignoring_deletion(by.user, n) in rights]
        return self.pick(draw, near if near and draw(st.integers(0, 9)) < 9 else tasks)

    def attempt(self, by: By, tool: str, expected: str, /, **arguments: Any) -> dict[str, Any] | None:
        return self.group.attempt(by.user, tool, expected, arguments, by.client)

    def succeed(self, by: By, tool: str, /, **arguments: Any) -> dict[str, Any]:
        result = self.attempt(by, tool, OK, **arguments)
        assert result is not None
        return result

    def refusal(self, by: By, tool: str, /, **arguments: Any) -> str:
        result = self.group.ask(by.user, tool, arguments, by.client)
        assert result.is_error
        return getattr(result.content[0], "text", "")

    # Edits.

    def add(self, by: By, draw: Draw) -> None:
        team = self.pick(draw, list(self.board.teams)) if draw(st.booleans()) else None
        parent = self.pick_task(draw, by, parent=True) if draw(st.integers(0, 2)) > 1 else None
        fields = spelled(draw(FIELDS)) | {"title": draw(TITLES)}
        if len(fields.get("due", "")) == 10 and draw(st.booleans()):
            fields["recurrence"] = RECURRENCE
        there = {name: n for name, n in (("team_id", team), ("parent_id", parent)) if n is not None}
        expected = self.board.may_put_into(by.user, team) or self.board.may_put_below(by.user, parent)
        before = now()
        added = self.attempt(by, "add_task", expected, **fields, **there)
        if added is not None:
            created = datetime.fromisoformat(added["created_at"])
            assert before <= created <= now()
            self.board.add(by, {added["id"]: replace(Task(by.user, team, "", parent, created_at=created), **fields)})

    def add_several(self, by: By, draw: Draw) -> None:
        titles = draw(st.tuples(TITLES, TITLES, TITLES))
        added = self.succeed(by, "add_tasks", tasks=[{"title": title} for title in titles])
        tasks = [result["task"] for result in added["results"]]
        assert len({task["created_at"] for task in tasks}) == 1
        created = datetime.fromisoformat(tasks[0]["created_at"])
        self.board.add(by, {t["id"]: Task(by.user, None, t["title"], created_at=created) for t in tasks})

    def change(self, by: By, draw: Draw) -> None:
        """May set the current values, which is not a change."""
        task_id = self.pick_task(draw, by)
        task = self.board.tasks.get(task_id)
        fields = spelled(draw(FIELDS)) | ({"title": draw(TITLES)} if draw(st.booleans()) else {})
        fields |= draw(st.sampled_from(({}, {"status": "in_progress"}, {"status": "pending"}, {"status": "completed"})))
        if task is not None and task.recurrence and len(fields.get("due", "")) != 10:
            fields.pop("due", None)  # the model knows recurring dates only
        if task is not None and task.recurrence and fields.get("status") == "completed":
            del fields["status"]  # next occurrences are the business of `complete`
        expected = self.board.may_change(by.user, task_id)
        before = now()
        changed = self.attempt(by, "update_task", expected, task_id=task_id, **fields)
        if changed is None:
            return
        moment = None
        if fields.get("status") == "completed" and self.board.tasks[task_id].status != "completed":
            moment = datetime.fromisoformat(changed["completed_at"])
            assert before <= moment <= now()
        self.board.update(by, task_id, fields, moment)

    def reopen(self, by: By, draw: Draw) -> None:
        completed = [n for n, task in self.board.tasks.items() if task.status == "completed"]
        task_id = self.pick(draw, [n for n in completed if self.board.may_change(by.user, n) == OK])
        if self.attempt(by, "update_task", self.board.may_change(by.user, task_id), task_id=task_id, status="pending"):
            self.board.update(by, task_id, {"status": "pending"})

    def move(self, by: By, draw: Draw) -> None:
        task_id = self.pick_task(draw, by, owned=True)
        team = None if draw(st.booleans()) else self.pick(draw, list(self.board.teams))
        fields: dict[str, Any] = {"clear": ["team_id"]} if team is None else {"team_id": team}
        expected = self.board.may_move(by.user, task_id, team)
        if self.attempt(by, "update_task", expected, task_id=task_id, **fields) is not None:
            self.board.update(by, task_id, {"team_id": team})

    def put_below(self, by: By, draw: Draw) -> None:
        task_id, parent = self.pick_task(draw, by), self.pick_task(draw, by, parent=True)
        expected = self.board.may_move_below(by.user, task_id, parent)
        if self.attempt(by, "update_task", expected, task_id=task_id, parent_id=parent) is not None:
            self.board.update(by, task_id, {"parent_id": parent})

    def complete(self, by: By, draw: Draw) -> None:
        task_id = self.pick_task(draw, by)
        before = now()
        done = self.attempt(by, "complete_task", self.board.may_change(by.user, task_id), task_id=task_id)
        if done is None or self.board.tasks[task_id].status == "completed":
            return
        completed = datetime.fromisoformat(done["completed_at"])
        assert before <= completed <= now()
        following, found = self.board.following(task_id), done.get("next_occurrence")
        if isinstance(following, int):
            visible = self.board.access(by.user, following) is not None
            assert found == (brief(self.board, by.user, following) if visible else None)
        self.board.complete(by, task_id, completed, found["id"] if isinstance(following, str) and found else None)
        if isinstance(following, str):
            assert found is not None
            assert found == brief(self.board, by.user, found["id"])

    def delete(self, by: By, draw: Draw) -> None:
        task_ids = sorted({self.pick_task(draw, by, owned=True) for _ in range(draw(st.integers(1, 3)))})
        refused = [may for n in task_ids if (may := self.board.may_delete(by.user, n)) != OK]
        expected = OK if not refused else REFUSED if refused[0] == REFUSED else f"{refused[0]} Nothing was deleted."
        if self.attempt(by, "delete_task", expected, task_ids=task_ids, confirm=True) is not None:
            self.board.remove(by, task_ids)

    def restore(self, by: By, draw: Draw) -> None:
        task_id = self.pick_task(draw, by, owned=True, deleted=True)
        if self.attempt(by, "restore_task", self.board.may_delete(by.user, task_id), task_id=task_id) is not None:
            self.board.bring_back(by, task_id)

    def undo(self, by: By, draw: Draw) -> None:
        count = draw(st.integers(1, 3))
        by = draw(st.sampled_from((by, *(call.by for call in self.board.calls[-3:]))))
        if not board_undo.undoable(self.board, by):
            assert "changed nothing that is left to undo" in self.refusal(by, "undo", count=count)
            return
        try:
            after, expected = board_undo.undo(self.board, by, count)
        except board_undo.Stuck as stuck:
            self.board.passed_over.add(stuck.call.number)
            error = self.refusal(by, "undo", count=count)
            assert error.endswith("Nothing was undone. Undo again to go on before this change.")
            return
        assert self.succeed(by, "undo", count=count) == {"reverted": expected}
        self.board = after

    def share(self, by: By, draw: Draw) -> None:
        task_id, other, permission = (
            self.pick_task(draw, by, owned=True),
            draw(st.sampled_from(self.users)),
            draw(PERMISSIONS),
        )
        expected = self.board.may_share(by.user, task_id, other)
        arguments = {"task_id": task_id, "user": other, "permission": permission}
        shared = self.attempt(by, "share_task", expected, **arguments)
        if shared is not None and self.is_direct(shared, by, other, None, task_id, permission):
            self.board.put_share(by, task_id, other, permission)

    def is_direct(
        self, result: dict[str, Any], by: By, other: str, team: int | None, task: int | None, offered: str
    ) -> bool:
        """Whether the other person has what was offered at once; else they are invited."""
        direct = self.board.takes_directly(by.user, other, team, task)
        assert result.get("status") == (None if direct else "pending")
        if not direct:
            self.board.invite(by, other, team, task, offered)
        return direct

    def answer(self, by: By, draw: Draw) -> None:
        """Mostly accept what somebody offers."""
        invited = [user for user in self.users if self.board.waiting(user)]
        if invited:
            self.answer_one(By(draw(st.sampled_from(invited)), by.client), draw(st.sampled_from(ANSWERS)))

    def answer_one(self, by: By, answer: str) -> None:
        chosen = self.board.waiting(by.user)[0]
        number = self.succeed(by, "manage_invitations")["invitations"][0]["id"]
        self.succeed(by, "manage_invitations", action=answer, invitation_id=number)
        self.board.end_invitation(chosen, answer)
        if answer == "accept" and chosen.team is not None:
            self.board.teams[chosen.team].setdefault(by.user, chosen.offered)
        elif answer == "accept" and chosen.task is not None:
            task = self.board.tasks[chosen.task]
            if by.user != task.owner and by.user not in task.shares:
                self.board.put_share(By(chosen.inviter, chosen.client), chosen.task, by.user, chosen.offered)

    def unshare(self, by: By, draw: Draw) -> None:
        shared = [n for n, task in self.board.tasks.items() if task.shares]
        task_id = self.pick(draw, shared)
        others = list(self.board.tasks[task_id].shares) if task_id in self.board.tasks else self.users
        other = draw(st.sampled_from(others))
        if self.board.may_unshare(by.user, task_id, other) == OK:
            self.succeed(by, "unshare_task", task_id=task_id, user=other)
            if other in self.board.tasks[task_id].shares:
                self.board.put_share(by, task_id, other, None)
            self.board.withdraw(by.user, other, None, task_id)

    def found_team(self, by: By, draw: Draw) -> None:
        if len(self.board.teams) < 3:
            self.board.teams[self.succeed(by, "create_team", name="Team")["id"]] = {by.user: "owner"}

    def join(self, by: By, draw: Draw) -> None:
        """Add a member, change a role, or remove a member."""
        team, other, role = self.pick(draw, list(self.board.teams)), draw(st.sampled_from(self.users)), draw(ROLES)
        if draw(st.integers(0, 3)):
            if self.board.may_add_member(by.user, team, other, role) == OK:
                added = self.succeed(by, "add_team_member", team_id=team, user=other, role=role)
                if self.is_direct(added, by, other, team, None, role):
                    self.board.teams[team][other] = role
        elif self.board.may_remove_member(by.user, team, other) == OK:
            self.succeed(by, "remove_team_member", team_id=team, user=other)
            if other in self.board.teams[team]:
                self.board.dismiss(by, team, other)
            else:
                self.board.withdraw(by.user, other, team, None)

    def talk(self, by: By, draw: Draw) -> None:
        texts = draw(st.lists(TITLES, max_size=3))
        messages = [{"role": "user", "content": text} for text in texts]
        mine = [n for n, chat in self.board.chats.items() if chat.owner == by.user]
        if not mine or draw(st.booleans()):
            title = draw(st.sampled_from(({}, {"title": "plum pie"})))
            begun = self.succeed(by, "start_conversation", messages=messages, **title)
            self.board.keep(by.user, begun["id"], texts, title.get("title"))
        elif texts:
            chat = self.pick(draw, mine)
            expected = self.board.may_use_chat(by.user, chat)
            if self.attempt(by, "append_messages", expected, conversation_id=chat, messages=messages) is not None:
                self.board.keep(by.user, chat, texts)

    def forget(self, by: By, draw: Draw) -> None:
        mine = [n for n, chat in self.board.chats.items() if chat.owner == by.user]
        chat = self.pick(draw, mine or list(self.board.chats))
        expected = self.board.may_use_chat(by.user, chat)
        if self.attempt(by, "delete_conversation", expected, conversation_id=chat) is not None:
            self.board.forget(chat)
