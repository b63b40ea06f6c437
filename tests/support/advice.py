"""What refusals say to do, read by rules, and done: as a caller would who understands nothing but the sentences."""

import json
import re
from collections.abc import Callable
from typing import Any

from tests.support.follower import Follower, Path

FIELD = r'(?P<field>(?:[\w$-]+|"(?:[^"\\]|\\.)*")(?:\.(?:[\w$-]+|"(?:[^"\\]|\\.)*"))*)'
AT = r"(?:tasks\.(?P<index>\d+): )?"
_STEP = re.compile(r'"(?:[^"\\]|\\.)*"|[\w$-]+')

Act = Callable[[Follower, re.Match[str]], None]
Rule = dict[str, str]
ChangeRule = Callable[[Rule, re.Match[str]], None]
ADVICE: list[tuple[re.Pattern[str], Act]] = []


def follow(follower: Follower, refusal: str) -> list[str]:
    """Do what every sentence of a refusal says; the sentences.

    Raises:
        AssertionError: a part of the refusal gives no advice that is known.
    """
    done: list[str] = []
    while refusal:
        for pattern, act in ADVICE:
            if found := pattern.match(refusal):
                act(follower, found)
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
    """Where a field is: in one of several tasks, if that is named before."""
    return (() if found["index"] is None else ("tasks", int(found["index"]))) + path_of(found["field"])


def says(pattern: str) -> Callable[[Act], Act]:
    def register(act: Act) -> Act:
        ADVICE.append((re.compile(pattern, re.DOTALL), act))
        return act

    return register


@says(r"Nothing was (added|deleted|undone)\.")
def _nothing(follower: Follower, found: re.Match[str]) -> None:
    pass


@says(rf"{FIELD} is null: leave it out\.( To empty the field, name it in clear\.)?")
@says(rf"{FIELD} is not an argument of \w+, which takes [\w, ]+\.")
@says(rf"{FIELD} is not known there: [\w.]+ takes [\w, ]+\.")
def _leave_out(follower: Follower, found: re.Match[str]) -> None:
    follower.leave_out(path_of(found["field"]))


def means(pattern: str, otherwise: Any = None) -> None:
    """Advice to give a value of a kind; without `otherwise` a value that nobody meant is left out."""

    def act(follower: Follower, found: re.Match[str]) -> None:
        path = path_of(found["field"])
        if not follower.mean(path):
            follower.put(path, otherwise) if otherwise is not None else follower.leave_out(path)

    ADVICE.append((re.compile(pattern), act))


means(rf"{FIELD} is required\.", "Text")
means(rf"{FIELD} must be text\.", "Text")
means(rf"{FIELD} must not be empty\.", "Text")
means(rf"{FIELD} must be true or false\.", True)
means(rf"{FIELD} must be a list\.", [])
means(rf"{FIELD} must be an IANA time zone such as Europe/Berlin, America/New_York or UTC\.( Did you mean [^?]+\?)?")
means(rf"{FIELD} must be an object\.")
means(rf"{FIELD} must be (a user id or an e-mail address|an id from search, such as task:42)\.")
means(rf"{FIELD} must be (a whole number )?between \d+ and \d+: use \w+ to find it\.")
means(rf"{FIELD} is null: give it, for \w+ needs it\.")


@says(rf"{FIELD} must be one of (?P<words>[\w, ]+)\.")
def _choose(follower: Follower, found: re.Match[str]) -> None:
    follower.put(path_of(found["field"]), found["words"].split(", ")[0])


@says(rf"{FIELD} must be (a whole number )?between (?P<low>\d+) and (?P<high>\d+)\.")
def _count(follower: Follower, found: re.Match[str]) -> None:
    follower.put(path_of(found["field"]), int(found["low"]))


@says(rf"{FIELD} is too long: at most (?P<most>\d+) (characters|items)\.")
def _shorten(follower: Follower, found: re.Match[str]) -> None:
    path = path_of(found["field"])
    follower.put(path, follower.get(path)[: int(found["most"])])


@says(rf"{FIELD} is longer than (?P<most>\d+) bytes; shorten it\.")
def _shorten_bytes(follower: Follower, found: re.Match[str]) -> None:
    path = path_of(found["field"])
    value = follower.get(path)
    if isinstance(value, str):
        follower.put(path, value.encode()[: int(found["most"])].decode("utf-8", "ignore"))
    else:
        follower.put(path, value[:1])


@says(rf"{FIELD} contains (a NUL or )?half of a surrogate pair, which cannot be stored; remove it\.")
def _clean(follower: Follower, found: re.Match[str]) -> None:
    path = path_of(found["field"])
    cleaned = json.loads(re.sub(r"\\u(?:0000|d[89a-f]..)", "", json.dumps(follower.get(path))))
    follower.put(path, cleaned)


@says(rf"{FIELD} must be an object with a type, such as (?P<example>\{{[^}}]*\}})\.")
def _be_a_part(follower: Follower, found: re.Match[str]) -> None:
    follower.put(path_of(found["field"]), json.loads(found["example"]))


@says(rf"{FIELD} must be text, as in (?P<example>\{{[^}}]*\}})\.")
def _have_a_type(follower: Follower, found: re.Match[str]) -> None:
    path = path_of(found["field"])
    follower.put(path[:-1], json.loads(found["example"]))


@says(rf"{AT}{FIELD} must be an RRULE such as (?P<example>\S+), beside due\.")
@says(rf"{AT}{FIELD} is not a date that can be read: write (?P<example>.+?), .+?\.")
@says(rf"{AT}{FIELD} needs an offset from UTC: write (?P<example>.+?) or .+?, or only the date\.")
def _write(follower: Follower, found: re.Match[str]) -> None:
    path = place_of(found)
    if path[-1] == "recurrence" and not follower.mean(path):
        follower.leave_out(path)
    else:
        follower.put(path, found["example"])


@says(rf"{AT}{FIELD} has an offset with seconds: write it in hours and minutes, such as (?P<offset>\S+)\.")
def _write_offset(follower: Follower, found: re.Match[str]) -> None:
    path = place_of(found)
    follower.put(path, f"{follower.get(path)[:19]}{found['offset']}")


@says(AT + r"No (?:task|team|conversation) (?P<wrong>\d+)\. Use \w+ to find its id\.")
@says(
    AT + r"Nobody here is known as (?P<wrong>.+?)\. Check the user id or e-mail; the person must have signed in once\."
)
@says(r"There is nothing with the id (?P<wrong>.+?)\. Use search to find ids, such as task:42\.")
@says(
    r"Task \d+ is at version \d+, not (?P<wrong>\d+): it changed meanwhile\. Read it with get_task and decide again\."
)
def _look_up(follower: Follower, found: re.Match[str]) -> None:
    follower.mean_again(found["wrong"])


@says(r"cursor does not belong to this listing: repeat the call without cursor to start again\.")
def _start_again(follower: Follower, found: re.Match[str]) -> None:
    follower.leave_out(("cursor",))


def changes_rule(pattern: str) -> Callable[[ChangeRule], ChangeRule]:
    """Advice about the parts of a rule: `change` is given the parts by name."""

    def register(change: ChangeRule) -> ChangeRule:
        def act(follower: Follower, found: re.Match[str]) -> None:
            path = _recurrence(found)
            rule = dict(part.partition("=")[::2] for part in reversed(follower.get(path).split(";")))
            change(rule, found)
            follower.put(path, ";".join(f"{name}={value}" for name, value in reversed(rule.items())))

        ADVICE.append((re.compile(AT + pattern, re.DOTALL), act))
        return change

    return register


def _recurrence(found: re.Match[str]) -> Path:
    return ("recurrence",) if found["index"] is None else ("tasks", int(found["index"]), "recurrence")


@says(AT + r"recurrence has a part that is not known: .*?\. Write (?P<rule>\S+)\.")
@says(AT + r"recurrence needs FREQ=DAILY, WEEKLY, MONTHLY or YEARLY, such as (?P<rule>\S+)\.")
def _write_rule(follower: Follower, found: re.Match[str]) -> None:
    follower.put(_recurrence(found), found["rule"])


@changes_rule(r"recurrence says \w+ twice: leave one out\.")
def _say_once(rule: Rule, found: re.Match[str]) -> None:
    pass  # Taken apart, a rule has each part once.


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


@says(AT + r"recurrence: BYHOUR and BYMINUTE need a due with a time, such as (?P<due>\S+)\.")
def _have_a_time(follower: Follower, found: re.Match[str]) -> None:
    follower.put((*_recurrence(found)[:-1], "due"), found["due"])


@says(AT + r"A recurring task needs a due date: give due as well\.")
def _have_a_date(follower: Follower, found: re.Match[str]) -> None:
    follower.mean((*_recurrence(found)[:-1], "due"))


@says(r"A recurring task needs its due date: clear recurrence as well\.")
def _clear_both(follower: Follower, found: re.Match[str]) -> None:
    follower.get(("clear",)).append("recurrence")


@says(r"A recurring task needs its due date: leave due out of clear\.")
def _clear_less(follower: Follower, found: re.Match[str]) -> None:
    follower.get(("clear",)).remove("due")


@says(r"(?P<name>\w+) is both given and in clear: leave one of them out\.")
def _clear_or_give(follower: Follower, found: re.Match[str]) -> None:
    follower.get(("clear",)).remove(found["name"])


@says(r"Give either task_id, or task_ids for several\.")
def _give_one(follower: Follower, found: re.Match[str]) -> None:
    """Give the one that was meant, and only that."""
    other = "task_id" if follower.mean(("task_ids",)) else "task_ids"
    if other == "task_ids":
        follower.mean(("task_id",))
    if other in follower.arguments:
        follower.leave_out((other,))
