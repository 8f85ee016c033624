from pathlib import Path
from typing import Literal

import pytest

from proxy.example.files import folder


@pytest.mark.parametrize("name", ["proto", "mappings"])
def test_folder_is_found_in_this_installation(name: Literal["proto", "mappings"]) -> None:
    assert any(folder(name).iterdir())


def test_folder_inside_an_installed_package_comes_first(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "proxy" / "example"
    (package / "proto").mkdir(parents=True)
    (tmp_path / "site-packages" / "proto").mkdir()
    assert folder("proto", package) == package / "proto"


def test_folder_at_the_top_of_a_checkout_is_found(tmp_path: Path) -> None:
    package = tmp_path / "proxy" / "example"
    package.mkdir(parents=True)
    (tmp_path / "mappings").mkdir()
    assert folder("mappings", package) == tmp_path / "mappings"


def test_missing_folder_is_an_error_that_says_where_it_was_looked_for(tmp_path: Path) -> None:
    package = tmp_path / "proxy" / "example"
    with pytest.raises(FileNotFoundError, match=str(package)):
        folder("proto", package)
