"""Documents that are made from code are up to date, and their examples work."""

from tests.config.documentation import PAGE, render_documentation


def test_configuration_page_is_up_to_date() -> None:
    """`python -m tests.config.documentation` writes it."""
    assert PAGE.read_text(encoding="utf-8") == render_documentation()
