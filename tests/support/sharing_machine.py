"""A state machine: what several people see and may change equals the permission model."""

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.support.client_group import ClientGroups
from tests.support.permission_model import OK, REFUSED, Chat, Task
from tests.support.sharing_model import SharingModel

NEVER_GIVEN = 8_000_000_000_000_000_000
USERS = st.integers(0, 3)
PLACES = st.integers(0, 40)
WORDS = st.sampled_from(["apple", "pear", "plum"])
PERMISSIONS = st.sampled_from(["view", "edit"])
ROLES = st.sampled_from(["owner", "admin", "member", "viewer"])


class Sharing(RuleBasedStateMachine):
    """Four people work together; what each sees equals the model."""

    groups: ClassVar[ClientGroups]

    def __init__(self) -> None:
        super().__init__()
        self.group = self.groups.make(("pytest",))
        self.users = [person.user_id for person in self.group.people]
        self.emails = {person.user_id: person.email for person in self.group.people}
        self.model = SharingModel()
        self.turn = 0

    def teardown(self) -> None:
        for user in self.users:
            self.check(user)
        self.group.close()

    def pick(self, things: dict[int, Any], place: int) -> int:
        """Any id, including deleted and foreign ones, and sometimes one that does not exist."""
        known = [*things, NEVER_GIVEN]
        return known[place % len(known)]

    def attempt(self, user: str, tool: str, expected: str, /, **arguments: Any) -> dict[str, Any] | None:
        """Call a tool as the model expects it to end."""
        return self.group.attempt(user, tool, expected, arguments)

    @initialize(roles=st.tuples(ROLES, ROLES, ROLES), place=PLACES, whom=USERS, permission=PERMISSIONS)
    def move_in(self, roles: tuple[str, str, str], place: int, whom: int, permission: str) -> None:
        """Start with a team and a task of each person: otherwise they would rarely share anything."""
        self.found_team(who=0)
        for number, role in enumerate(roles, start=1):
            self.add_member(who=0, place=0, whom=number, role=role)
            self.answer(who=number, place=0, answer="accept")
        for number in range(4):
            self.add(who=number, word="apple", place=0, in_team=number != whom)
        self.add(who=0, word="pear", place=0, in_team=False)
        self.share(who=0, place=place, whom=whom, permission=permission)

    @rule(who=USERS, word=WORDS, place=PLACES, in_team=st.booleans(), above=st.none() | PLACES)
    def add(self, who: int, word: str, place: int, in_team: bool, above: int | None = None) -> None:
        user, team = self.users[who], self.pick(self.model.teams, place) if in_team else None
        parent = None if above is None else self.pick(self.model.tasks, above)
        where = {name: n for name, n in (("team_id", team), ("parent_id", parent)) if n is not None}
        may = self.model.may_put_into(user, team) or self.model.may_put_below(user, parent)
        added = self.attempt(user, "add_task", may, title=word, **where)
        if added is not None:
            self.model.tasks[added["id"]] = Task(user, team, word, parent)

    @rule(who=USERS, place=PLACES, above=PLACES)
    def put_below(self, who: int, place: int, above: int) -> None:
        user, task = self.users[who], self.pick(self.model.tasks, place)
        parent = self.pick(self.model.tasks, above)
        may = self.model.may_move_below(user, task, parent)
        if self.attempt(user, "update_task", may, task_id=task, parent_id=parent) is not None:
            self.model.tasks[task].parent = parent

    @rule(who=USERS, place=PLACES, word=WORDS)
    def rename(self, who: int, place: int, word: str) -> None:
        user, task = self.users[who], self.pick(self.model.tasks, place)
        if self.attempt(user, "update_task", self.model.may_change(user, task), task_id=task, title=word) is not None:
            self.model.tasks[task].title = word

    @rule(who=USERS, place=PLACES, team_place=PLACES, out=st.booleans())
    def move(self, who: int, place: int, team_place: int, out: bool) -> None:
        user, task = self.users[who], self.pick(self.model.tasks, place)
        team = None if out else self.pick(self.model.teams, team_place)
        change: dict[str, Any] = {"clear": ["team_id"]} if team is None else {"team_id": team}
        if self.attempt(user, "update_task", self.model.may_move(user, task, team), task_id=task, **change) is not None:
            self.model.tasks[task].team = team

    @rule(who=USERS, place=PLACES)
    def complete(self, who: int, place: int) -> None:
        user, task = self.users[who], self.pick(self.model.tasks, place)
        completed = self.attempt(user, "complete_task", self.model.may_change(user, task), task_id=task)
        if completed is not None:
            self.model.tasks[task].status = "completed"
            assert completed.get("open_subtasks", 0) == self.model.open_below(user, task)

    @rule(who=USERS, place=PLACES, back=st.booleans())
    def delete_or_restore(self, who: int, place: int, back: bool) -> None:
        user, task = self.users[who], self.pick(self.model.tasks, place)
        tool, consent = ("restore_task", {}) if back else ("delete_task", {"confirm": True})
        reply = self.attempt(user, tool, self.model.may_delete(user, task), task_id=task, **consent)
        if reply is not None:
            count = self.model.restore_tree(user, task) if back else self.model.delete_tree(user, task, self.turn)
            assert reply.get("restored_subtasks" if back else "deleted_subtasks", 0) == count

    @rule(who=USERS, place=PLACES, whom=USERS, permission=PERMISSIONS)
    def share(self, who: int, place: int, whom: int, permission: str) -> None:
        user, other, task = self.users[who], self.users[whom], self.pick(self.model.tasks, place)
        arguments = {"task_id": task, "user": other, "permission": permission}
        shared = self.attempt(user, "share_task", self.model.may_share(user, task, other), **arguments)
        if shared is not None and self.offers(shared, user, other, None, task, permission):
            self.model.share(user, task, other, permission)

    def offers(
        self, result: dict[str, Any], user: str, other: str, team: int | None, task: int | None, offered: str
    ) -> bool:
        """Whether the other person has what was offered at once; else they are invited."""
        direct = self.model.takes_directly(user, other, team, task)
        assert result.get("status") == (None if direct else "pending")
        if not direct:
            self.model.invite((user, "pytest"), other, team, task, offered)
        return direct

    @rule(who=USERS, place=PLACES, answer=st.sampled_from(["accept", "accept", "accept", "decline", "block"]))
    def answer(self, who: int, place: int, answer: str) -> None:
        user = self.users[who]
        waiting = self.model.waiting(user)
        if not waiting:
            return
        chosen = waiting[place % len(waiting)]
        listed = self.attempt(user, "manage_invitations", OK)
        assert listed is not None
        number = listed["invitations"][place % len(waiting)]["id"]
        for other in self.users:
            if other != user:
                args = {"action": answer, "invitation_id": number}
                assert self.group.ask(other, "manage_invitations", args).is_error, "somebody else's"
        assert self.attempt(user, "manage_invitations", OK, action=answer, invitation_id=number) is not None
        self.model.end_invitation(chosen, answer)
        if answer == "accept" and chosen.team is not None:
            self.model.teams[chosen.team].setdefault(user, chosen.offered)
        elif answer == "accept" and chosen.task is not None:
            task = self.model.tasks[chosen.task]
            if user != task.owner and user not in task.shares:
                self.model.share(chosen.inviter, chosen.task, user, chosen.offered)

    @rule(who=USERS, place=PLACES)
    def unblock(self, who: int, place: int) -> None:
        user = self.users[who]
        listed = self.attempt(user, "manage_invitations", OK)
        assert listed is not None
        blocks = [row for row in listed["invitations"] if row["status"] == "blocked"]
        if blocks:
            chosen = blocks[place % len(blocks)]
            args = {"action": "unblock", "invitation_id": chosen["id"]}
            self.attempt(user, "manage_invitations", OK, **args)
            (inviter,) = (other for other in self.users if chosen["inviter"].endswith(self.emails[other]))
            self.model.blocks.remove((inviter, user))

    @rule(who=USERS, place=PLACES, whom=USERS)
    def unshare(self, who: int, place: int, whom: int) -> None:
        user, other, task = self.users[who], self.users[whom], self.pick(self.model.tasks, place)
        may = self.model.may_unshare(user, task, other)
        arguments = {"task_id": task, "user": other}
        if may == REFUSED:
            assert self.group.ask(user, "unshare_task", arguments).is_error
        elif self.attempt(user, "unshare_task", may, **arguments) is not None:
            self.model.unshare(user, task, other)

    @rule(who=USERS)
    def found_team(self, who: int) -> None:
        if len(self.model.teams) < 4:
            team = self.attempt(self.users[who], "create_team", OK, name="Team")
            assert team is not None
            self.model.teams[team["id"]] = {self.users[who]: "owner"}

    @rule(who=USERS, place=PLACES, whom=USERS, role=ROLES)
    def add_member(self, who: int, place: int, whom: int, role: str) -> None:
        user, other, team = self.users[who], self.users[whom], self.pick(self.model.teams, place)
        may = self.model.may_add_member(user, team, other, role)
        added = self.attempt(user, "add_team_member", may, team_id=team, user=other, role=role)
        if added is not None and self.offers(added, user, other, team, None, role):
            self.model.teams[team][other] = role

    @rule(who=USERS, place=PLACES, whom=USERS)
    def remove_member(self, who: int, place: int, whom: int) -> None:
        user, other, team = self.users[who], self.users[whom], self.pick(self.model.teams, place)
        may = self.model.may_remove_member(user, team, other)
        if self.attempt(user, "remove_team_member", may, team_id=team, user=other) is not None:
            if other not in self.model.teams[team]:
                self.model.withdraw(user, other, team, None)
                return
            heir, handed_over = self.model.leave(user, team, other)
            for task in handed_over:
                for loser in self.model.lost_shares(task, heir):
                    self.model.unshare(user, task, loser)
                self.model.tasks[task].owner = heir

    @rule(who=USERS, place=PLACES)
    def delete_team(self, who: int, place: int) -> None:
        user, team = self.users[who], self.pick(self.model.teams, place)
        if self.attempt(user, "delete_team", self.model.may_delete_team(user, team), team_id=team) is not None:
            self.model.delete_team(team)

    @rule(who=USERS, whom=USERS)
    def unshare_all(self, who: int, whom: int) -> None:
        user, other = self.users[who], self.users[whom]
        between = self.model.shared_between(user, other)
        offered = [waiting for waiting in self.model.invitations if (waiting.inviter, waiting.invitee) == (user, other)]
        expected = OK if between or offered else REFUSED
        result = self.attempt(user, "unshare_task", expected, user=other, all=True)
        if result is not None:
            assert result["unshared"] == len(between)
            for task in between:
                shared_with = other if self.model.tasks[task].owner == user else user
                self.model.unshare(user, task, shared_with)
            self.model.invitations = [waiting for waiting in self.model.invitations if waiting not in offered]

    @rule(who=USERS, word=WORDS)
    def start_chat(self, who: int, word: str) -> None:
        chat = self.attempt(self.users[who], "start_conversation", OK, messages=[{"role": "user", "content": word}])
        assert chat is not None
        self.model.chats[chat["id"]] = Chat(self.users[who], [word])

    @rule(who=USERS, place=PLACES, word=WORDS)
    def append(self, who: int, place: int, word: str) -> None:
        user, chat = self.users[who], self.pick(self.model.chats, place)
        arguments = {"conversation_id": chat, "messages": [{"role": "user", "content": word}]}
        if self.attempt(user, "append_messages", self.model.may_use_chat(user, chat), **arguments) is not None:
            self.model.chats[chat].messages.append(word)

    @rule(who=USERS, place=PLACES)
    def read(self, who: int, place: int) -> None:
        user, task, chat = self.users[who], self.pick(self.model.tasks, place), self.pick(self.model.chats, place)
        found = self.attempt(user, "get_task", self.model.may_read(user, task), task_id=task)
        if found is not None and found["access"] == "owner":
            assert {s["user_id"]: s["permission"] for s in found["shares"]} == self.model.tasks[task].shares
        listed = self.attempt(user, "list_tasks", self.model.may_read(user, task), parent_id=task, status="all")
        if found is not None and listed is not None:
            below = self.model.children(user, task)
            assert {row["id"] for row in listed["tasks"]} == {row["id"] for row in found.get("subtasks", ())} == below
            assert (listed["total_count"], found.get("subtask_count", 0)) == (len(below), len(below))
        page = self.attempt(user, "get_conversation", self.model.may_use_chat(user, chat), conversation_id=chat)
        if page is not None:
            assert [message["content"] for message in page["messages"]] == self.model.chats[chat].messages
        assert (self.group.read(user, f"task://{task}") is None) == (found is None)
        assert (self.group.read(user, f"conversation://{chat}") is None) == (page is None)

    @rule(who=USERS, scope=st.sampled_from(["mine", "shared", "team", "all"]), word=WORDS)
    def search(self, who: int, scope: str, word: str) -> None:
        user = self.users[who]
        page = self.attempt(user, "list_tasks", OK, status="all", scope=scope, search=word, limit=100)
        expected = {n for n, task in self.model.seen(user, scope).items() if task.title == word}
        assert page is not None
        assert {task["id"] for task in page["tasks"]} == expected
        matches = self.attempt(user, "search_messages", OK, query=word, limit=100)
        chats = {n for n, chat in self.model.chats.items() if chat.owner == user and word in chat.messages}
        assert matches is not None
        assert {match["conversation_id"] for match in matches["matches"]} == chats

    @invariant()
    def one_sees_what_the_model_says(self) -> None:
        """Check one person after the other: checking all at each step takes four times as long."""
        self.turn += 1
        self.check(self.users[self.turn % len(self.users)])

    def check(self, user: str) -> None:
        page = self.attempt(user, "list_tasks", OK, status="all", limit=100)
        assert page is not None
        seen = self.model.seen(user, "all")
        assert {t["id"]: (t["title"], t["status"], t["access"], t.get("parent_id")) for t in page["tasks"]} == {
            n: (task.title, task.status, self.model.access(user, n), self.model.parent(user, n))
            for n, task in seen.items()
        }
        numbers = self.attempt(user, "get_statistics", OK, days=1)
        mine, shared = self.model.seen(user, "mine"), self.model.seen(user, "shared")
        assert numbers is not None
        assert (page["total_count"], numbers["total_tasks"]) == (len(seen), len(mine))
        assert numbers["completed_tasks"] == sum(task.status == "completed" for task in mine.values())
        assert numbers["shared_tasks"] == len(shared)
        listed = self.attempt(user, "manage_invitations", OK)
        assert listed is not None
        waiting = [row for row in listed["invitations"] if row["status"] == "pending"]
        expected = self.model.waiting(user)
        assert [(row["inviter"].split()[-1], row["offer"].split()[0]) for row in waiting] == [
            (self.emails[offer.inviter], offer.offered) for offer in expected
        ]
        blocked = {row["inviter"].split()[-1] for row in listed["invitations"] if row["status"] == "blocked"}
        assert blocked == {self.emails[inviter] for inviter, invitee in self.model.blocks if invitee == user}
