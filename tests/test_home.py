"""Where runs go."""

import pytest

from workbench.errors import StorageError
from workbench.home import cache_folder, wb_home


def test_the_variable_decides(tmp_path):
    assert wb_home({"WB_HOME": str(tmp_path / "x")}, tmp_path) == tmp_path / "x"


def test_the_nearest_folder_with_recipes_upwards_is_home(tmp_path):
    (tmp_path / "project" / "recipes").mkdir(parents=True)
    inside = tmp_path / "project" / "a" / "b"
    inside.mkdir(parents=True)
    assert wb_home({}, inside) == tmp_path / "project"


def test_without_recipes_the_working_folder_is_home(tmp_path):
    assert wb_home({}, tmp_path) == tmp_path


def test_homes_may_share_a_cache(tmp_path):
    assert cache_folder(tmp_path, {}) == tmp_path / "cache"
    assert cache_folder(tmp_path, {"WB_CACHE": str(tmp_path / "shared")}) == tmp_path / "shared"


def test_the_home_of_an_unknown_user_is_one_sentence(tmp_path):
    with pytest.raises(StorageError, match=r"^WB_HOME=~no-such-user/x: this user has no home directory; set WB_HOME"):
        wb_home({"WB_HOME": "~no-such-user/x"})
    with pytest.raises(StorageError, match=r"^WB_CACHE=~no-such-user: "):
        cache_folder(tmp_path, {"WB_CACHE": "~no-such-user"})
