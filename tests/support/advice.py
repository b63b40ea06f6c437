"""Follows the advice in error messages literally: each known sentence has a rule that changes the arguments."""

import json
import re
from collections.abc import Callable
from typing import Any

from tests.support.retrying_caller import Path, RetryingCaller

FIELD = r'(?P<field>(?:[\w$-]+|"(?:[^"\\]|\\.)*")(?:\.(?:[\w$-]+|"(?:[^"\\]|\\.)*"))*)'
AT = r"(?:tasks\.(?P<index>\d+): )?"
_STEP = re.compile(r'"(?:[^"\\]|\\.)*"|[\w$-]+')

Act = Callable[[RetryingCaller, re.Match[str]], None]
Rule = dict[str, str]
ChangeRule = Callable[[Rule, re.Match[str]], None]
ADVICE: list[tuple[re.Pattern[str], Act]] = []


def follow(caller: RetryingCaller, refusal: str) -> list[str]:
    """Follow the advice of every sentence of an error, and return the sentences.

    Raises:
        AssertionError: a part of the error matches no known advice.
    """
    done: list[str] = []
    while refusal:
        for pattern, act in ADVICE:
            if found := pattern.match(refusal):
                act(caller, found)
                done.append(found[0])
                refusal = refusal[found.end() :].lstrip()
                break
        else:
            raise AssertionError(f"no advice is known in {refusal!r}")
    return done


def path_of(field: str) -> Path:
    steps = _STEP.findall(field)
    return tuple(int(s) if s.isdecimal() and i else json.loads(s) if s[0] == '"' else s for i, s in enumerate(steps))


def place_of(found: re.Match[str]) -> Path:
    """The path of a field, inside one of several tasks if the error names its index."""
    return (() if found["index"] is None else ("tasks", int(found["index"]))) + path_of(found["field"])


def on_sentence(pattern: str) -> Callable[[Act], Act]:
    def register(act: Act) -> Act:
        ADVICE.append((re.compile(pattern, re.DOTALL), act))
        return act

    return register


@on_sentence(r"Nothing was (added|deleted|undone)\.")
def _nothing(caller: RetryingCaller, found: re.Match[str]) -> None:
    pass


@on_sentence(rf"{FIELD} is null: leave it out\.( To empty the field, name it in clear\.)?")
@on_sentence(rf"{FIELD} is not an argument of \w+, which takes [\w, ]+\.")
@on_sentence(rf"{FIELD} is not known there: [\w.]+ takes [\w, ]+\.")
def _leave_out(caller: RetryingCaller, found: re.Match[str]) -> None:
    caller.leave_out(path_of(found["field"]))


def give_intended(pattern: str, default: Any = None) -> None:
    """Register advice to send another value: the intended one, else `default`, else none."""

    def act(caller: RetryingCaller, found: re.Match[str]) -> None:
        path = path_of(found["field"])
        if not caller.send_intended(path):
            caller.put(path, default) if default is not None else caller.leave_out(path)

    ADVICE.append((re.compile(pattern), act))


give_intended(rf"{FIELD} is required\.", "Text")
give_intended(rf"{FIELD} must be text\.", "Text")
give_intended(rf"{FIELD} must not be empty\.", "Text")
give_intended(rf"{FIELD} must be true or false\.", True)
give_intended(rf"{FIELD} must be a list\.", [])
give_intended(
    rf"{FIELD} must be an IANA time zone such as Europe/Berlin, America/New_York or UTC\.( Did you mean [^?]+\?)?"
)
give_intended(rf"{FIELD} must be an object\.")
give_intended(rf"{FIELD} must be (a user id or an e-mail address|an id from search, such as task:42)\.")
give_intended(rf"{FIELD} must be (a whole number )?between \d+ and \d+: use \w+ to find it\.")
give_intended(rf"{FIELD} is null: give it, for \w+ needs it\.")


@on_sentence(rf"{FIELD} must be one of (?P<words>[\w, ]+)\.")
def _choose(caller: RetryingCaller, found: re.Match[str]) -> None:
    caller.put(path_of(found["field"]), found["words"].split(", ")[0])


@on_sentence(rf"{FIELD} must be (a whole number )?between (?P<low>\d+) and (?P<high>\d+)\.")
def _count(caller: RetryingCaller, found: re.Match[str]) -> None:
    caller.put(path_of(found["field"]), int(found["low"]))


@on_sentence(rf"{FIELD} is too long: at most (?P<most>\d+) (characters|items)\.")
def _shorten(caller: RetryingCaller, found: re.Match[str]) -> None:
    path = path_of(found["field"])
    caller.put(path, caller.get(path)[: int(found["most"])])


@on_sentence(rf"{FIELD} is longer than (?P<most>\d+) bytes; shorten it\.")
def _shorten_bytes(caller: RetryingCaller, found: re.Match[str]) -> None:
    path = path_of(found["field"])
    value = caller.get(path)
    if isinstance(value, str):
        caller.put(path, value.encode()[: int(found["most"])].decode("utf-8", "ignore"))
    else:
        caller.put(path, value[:1])


@on_sentence(rf"{FIELD} contains (a NUL or )?half of a surrogate pair, which cannot be stored; remove it\.")
def _clean(caller: RetryingCaller, found: re.Match[str]) -> None:
    path = path_of(found["field"])
    cleaned = json.loads(re.sub(r"\\u(?:0000|d[89a-f]..)", "", json.dumps(caller.get(path))))
    caller.put(path, cleaned)


@on_sentence(rf"{FIELD} must be an object with a type, such as (?P<example>\{{[^}}]*\}})\.")
def _be_a_part(caller: RetryingCaller, found: re.Match[str]) -> None:
    caller.put(path_of(found["field"]), json.loads(found["example"]))


@on_sentence(rf"{FIELD} must be text, as in (?P<example>\{{[^}}]*\}})\.")
def _have_a_type(caller: RetryingCaller, found: re.Match[str]) -> None:
    path = path_of(found["field"])
    caller.put(path[:-1], json.loads(found["example"]))


@on_sentence(rf"{AT}{FIELD} must be an RRULE such as (?P<example>\S+), beside due\.")
@on_sentence(rf"{AT}{FIELD} is not a date that can be read: write (?P<example>.+?), .+?\.")
@on_sentence(rf"{AT}{FIELD} must be a time between 1970 and now, with its offset: write (?P<example>\S+)\.")
@on_sentence(rf"{AT}{FIELD} needs an offset from UTC: write (?P<example>.+?) or .+?, or only the date\.")
def _write(caller: RetryingCaller, found: re.Match[str]) -> None:
    path = place_of(found)
    if path[-1] == "recurrence" and not caller.send_intended(path):
        caller.leave_out(path)
    else:
        caller.put(path, found["example"])


@on_sentence(rf"{AT}{FIELD} has an offset with seconds: write it in hours and minutes, such as (?P<offset>\S+)\.")
def _write_offset(caller: RetryingCaller, found: re.Match[str]) -> None:
    path = place_of(found)
    caller.put(path, f"{caller.get(path)[:19]}{found['offset']}")


@on_sentence(AT + r"No (?:task|team|conversation) (?P<wrong>\d+)\. Use \w+ to find its id\.")
@on_sentence(AT + r"(?P<wrong>\S+) cannot see this task: .+")
@on_sentence(r"(?P<wrong>\S+) is not a member of team \d+\. Use list_teams to see who is\.")
@on_sentence(r"Task \d+ is not shared with (?P<wrong>\S+)\. Use get_task to see with whom it is\.")
@on_sentence(r"You share no task with (?P<wrong>\S+)\. Use list_tasks with scope=shared to see what you share\.")
@on_sentence(r"No invitation (?P<wrong>\d+)\. Use manage_invitations to see what waits for an answer\.")
@on_sentence(r"There is nothing with the id (?P<wrong>.+?)\. Use search to find ids, such as task:42\.")
@on_sentence(
    r"Task \d+ is at version \d+, not (?P<wrong>\d+): it changed meanwhile\. Read it with get_task and decide again\."
)
def _look_up(caller: RetryingCaller, found: re.Match[str]) -> None:
    caller.replace_wrong(found["wrong"])


@on_sentence(r'client: "[^"]*" changed nothing here\. .* Leave client out, or name one of them\.')
def _leave_unknown_client_out(caller: RetryingCaller, found: re.Match[str]) -> None:
    caller.leave_out(("client",))


@on_sentence(r"cursor does not belong to this listing: repeat the call without cursor to start again\.")
def _start_again(caller: RetryingCaller, found: re.Match[str]) -> None:
    caller.leave_out(("cursor",))


def changes_rule(pattern: str) -> Callable[[ChangeRule], ChangeRule]:
    """Register advice about a recurrence rule; the handler changes its parts, by name."""

    def register(change: ChangeRule) -> ChangeRule:
        def act(caller: RetryingCaller, found: re.Match[str]) -> None:
            path = _recurrence(found)
            rule = dict(part.partition("=")[::2] for part in reversed(caller.get(path).split(";")))
            change(rule, found)
            caller.put(path, ";".join(f"{name}={value}" for name, value in reversed(rule.items())))

        ADVICE.append((re.compile(AT + pattern, re.DOTALL), act))
        return change

    return register


def _recurrence(found: re.Match[str]) -> Path:
    return ("recurrence",) if found["index"] is None else ("tasks", int(found["index"]), "recurrence")


@on_sentence(AT + r"recurrence has a part that is not known: .*?\. Write (?P<rule>\S+)\.")
@on_sentence(AT + r"recurrence needs FREQ=DAILY, WEEKLY, MONTHLY or YEARLY, such as (?P<rule>\S+)\.")
def _write_rule(caller: RetryingCaller, found: re.Match[str]) -> None:
    caller.put(_recurrence(found), found["rule"])


@changes_rule(r"recurrence on_sentence \w+ twice: leave one out\.")
def _say_once(rule: Rule, found: re.Match[str]) -> None:
    pass  # A dictionary holds each part once.


@changes_rule(r"recurrence: (?P<name>\w+) takes (?:one number|numbers) from (?P<low>\d+) to \d+(?:, or .+? the end)?\.")
@changes_rule(r"recurrence: (?P<name>\w+) takes days such as (?P<low>\w+), .+? -53 to 53\.")
@changes_rule(r"recurrence: (?P<name>\w+) takes a day.*?, such as \w+=(?P<low>\w+)(?: or \w+=\w+)?\.")
def _take(rule: Rule, found: re.Match[str]) -> None:
    rule[found["name"]] = found["low"]


@changes_rule(r"recurrence ends by COUNT or by UNTIL: leave one of them out\.")
def _end_once(rule: Rule, found: re.Match[str]) -> None:
    del rule["UNTIL"]


@changes_rule(r"recurrence: \w+ goes with FREQ=(?P<frequency>\w+)(?: or \w+)*, not with \w+\.")
def _go_with(rule: Rule, found: re.Match[str]) -> None:
    rule["FREQ"] = found["frequency"]


@changes_rule(r"recurrence: a numbered day such as 1MO goes with FREQ=MONTHLY or YEARLY, and not with BYWEEKNO\.")
def _number_days(rule: Rule, found: re.Match[str]) -> None:
    rule.pop("BYWEEKNO", None)
    rule["FREQ"] = "MONTHLY"


@changes_rule(r"recurrence: BYSETPOS chooses among days: say which, such as BYDAY=(?P<days>[\w,]+);BYSETPOS=1\.")
def _choose_days(rule: Rule, found: re.Match[str]) -> None:
    rule["BYDAY"] = found["days"]


@on_sentence(AT + r"recurrence: BYHOUR and BYMINUTE need a due with a time, such as (?P<due>\S+)\.")
def _have_a_time(caller: RetryingCaller, found: re.Match[str]) -> None:
    caller.put((*_recurrence(found)[:-1], "due"), found["due"])


@on_sentence(AT + r"A recurring task needs a due date: give due as well\.")
def _have_a_date(caller: RetryingCaller, found: re.Match[str]) -> None:
    caller.send_intended((*_recurrence(found)[:-1], "due"))


@on_sentence(r"A recurring task needs its due date: clear recurrence as well\.")
def _clear_both(caller: RetryingCaller, found: re.Match[str]) -> None:
    caller.get(("clear",)).append("recurrence")


@on_sentence(r"A recurring task needs its due date: leave due out of clear\.")
def _clear_less(caller: RetryingCaller, found: re.Match[str]) -> None:
    caller.get(("clear",)).remove("due")


@on_sentence(r"(?P<name>\w+) is both given and in clear: leave one of them out\.")
def _clear_or_give(caller: RetryingCaller, found: re.Match[str]) -> None:
    caller.get(("clear",)).remove(found["name"])


@on_sentence(r"Give either task_id, or all=true for every task\.")
def _give_a_task(caller: RetryingCaller, found: re.Match[str]) -> None:
    """Send the task only."""
    caller.send_intended(("task_id",))
    if "all" in caller.arguments:
        caller.leave_out(("all",))


@on_sentence(r"before_sequence and around_sequence exclude each other: leave one out\.")
def _leave_one_out(caller: RetryingCaller, found: re.Match[str]) -> None:
    caller.leave_out(("around_sequence",))


@on_sentence(r"Give either task_id, or task_ids for several\.")
def _give_one(caller: RetryingCaller, found: re.Match[str]) -> None:
    """Send the intended argument only."""
    other = "task_id" if caller.send_intended(("task_ids",)) else "task_ids"
    if other == "task_ids":
        caller.send_intended(("task_id",))
    if other in caller.arguments:
        caller.leave_out((other,))
