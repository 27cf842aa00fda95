"""A real browser without a screen, and pages in it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BROWSER, _DRIVER = "chromium", "chromedriver"
_INSTALL = "apt-get install chromium chromium-driver && pip install selenium"
_ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


class Browser:
    """Chromium, and what it did since a page was opened."""

    def __init__(self, driver: Any, folder: Path) -> None:
        self.driver = driver
        self.folder = folder
        driver.execute_cdp_cmd("Network.enable", {})

    def open(self, html: str, *, width: int = 1280, theme: str = "light", script: bool = True) -> None:
        """Show a page from its file."""
        path = self.folder / "page.html"
        path.write_text(html, encoding="utf-8")
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self.command("Emulation.setScriptExecutionDisabled", value=not script)
        self.driver.get("about:blank")
        for log in ("performance", "browser"):
            self.driver.get_log(log)
        self.driver.get(path.as_uri())

    def command(self, method: str, **parameters: Any) -> Any:
        """What the browser's own protocol answers."""
        return self.driver.execute_cdp_cmd(method, parameters)

    def run(self, script: str) -> Any:
        """What a script of the test returns."""
        return self.driver.execute_script(script)

    def logged(self, log: str) -> list[str]:
        """Messages of ``browser`` (the console) or ``performance`` (the network) since the page was opened."""
        return [entry["message"] for entry in self.driver.get_log(log)]

    def nodes(self) -> list[tuple[str, str]]:
        """Role and name of everything that a screen reader is told of, in order."""
        tree = self.command("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", "").strip())
            for node in tree
            if not node.get("ignored") and "role" in node
        ]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Debian's Chromium; a test that needs it says how to install it where it is missing, and fails in CI."""
    webdriver = pytest.importorskip("selenium.webdriver") if not os.environ.get("CI") else _webdriver()
    paths = {name: shutil.which(name) for name in (_BROWSER, _DRIVER)}
    if missing := [name for name, path in paths.items() if path is None]:
        said = f"{' and '.join(missing)} not found: {_INSTALL}"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    options = webdriver.ChromeOptions()
    options.binary_location = paths[_BROWSER]
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    # A dialog that a page opens is left open, for a test to see.
    options.unhandled_prompt_behavior = "ignore"
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    # Given the driver's path, selenium looks for no other and loads none.
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(paths[_DRIVER]))
    try:
        yield Browser(driver, tmp_path_factory.mktemp("pages"))
    finally:
        driver.quit()


def _webdriver() -> Any:
    import selenium.webdriver  # noqa: PLC0415 - fails in CI where it is missing

    return selenium.webdriver
