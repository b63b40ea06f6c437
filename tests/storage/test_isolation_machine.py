"""What several people see and may change equals the permission model, whatever they do."""

from collections.abc import Callable, Generator

import pytest

from tests.conftest import Person
from tests.support.client_group import ClientGroups, client_groups, run_machine
from tests.support.sharing_machine import Sharing

STEPS = 60


@pytest.fixture
def groups(database_url: str, person: Callable[[str], Person]) -> Generator[ClientGroups]:
    with client_groups(database_url, dict.fromkeys(("ann", "ben", "cleo", "dan"), "UTC"), person) as groups:
        yield groups


@pytest.mark.timeout(3600)
def test_visibility_matches_the_model(groups: ClientGroups) -> None:
    run_machine(Sharing, groups, STEPS)
