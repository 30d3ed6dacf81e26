"""The page in headless Chromium, over a real coordinator: what it shows, and whom it leaves out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from actors import SwarmConfig
from actors.config import host_name
from federation.errors import QuorumError
from tests.gateway.served import Served, serving
from workloads.attacks import Adversary, NotFinite
from workloads.null import NullWorkload

pytestmark = pytest.mark.e2e
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
DRIVER = os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")
AGENTS = tuple(f"agent-{number:03d}" for number in range(10))
LIARS = frozenset(AGENTS[-3:])
TOKEN = "a-token-that-is-long-enough"

if CHROMIUM is None or DRIVER is None:
    if os.environ.get("CI"):
        pytest.fail("CI has no chromium and chromium-driver; .ci/run installs them", pytrace=False)
    pytest.skip("needs chromium and chromium-driver", allow_module_level=True)


def config(folder: Path) -> SwarmConfig:
    return SwarmConfig(
        workload=NullWorkload(dimension=16),
        agents=AGENTS,
        state_dir=folder,
        deadline_s=30.0,
        linger_s=0.5,
        adversary=Adversary(agents=LIARS, attack=NotFinite()),
    )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(config(tmp_path), pulse_s=0.1) as found:
        yield found


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield made
    finally:
        made.quit()


class Page:
    """The page, as somebody sees it who waits a moment."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def screen(self, width: int, height: int, *, dark: bool = False, still: bool = False) -> None:
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, url: str) -> None:
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get(url)

    def text(self, name: str) -> str:
        return self.driver.find_element(By.ID, name).get_attribute("textContent") or ""

    def until(self, holds: Callable[[], Any]) -> Any:
        return WebDriverWait(self.driver, 40, poll_frequency=0.05).until(lambda _: holds())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def press(self, *keys: str) -> None:
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


@pytest.fixture
def page(driver: webdriver.Chrome) -> Page:
    made = Page(driver)
    made.screen(1280, 900)
    return made


def test_it_shows_rounds_as_they_end_and_who_lied(page: Page, served: Served) -> None:
    page.open(served.url)
    page.until(lambda: page.text("link-text") == "Live")
    assert page.driver.find_element(By.ID, "empty").is_displayed()
    served.rounds(2)
    page.until(lambda: page.text("tile-release") == "2")
    assert not page.driver.find_element(By.ID, "empty").is_displayed()
    served.rounds(3)
    page.until(lambda: page.text("heat-shape") == "10 agents by 5 rounds")
    assert page.text("heat-last") == "5"
    assert page.text("time-read").startswith("Round 5: ")
    page.until(lambda: "Healthy." in page.text("health-text"))
    assert page.driver.find_element(By.ID, "health").get_attribute("data-health") == "ok"
    page.until(lambda: page.text("apart-read") == "3 agents")
    assert all(agent in page.text("apart") for agent in LIARS)
    page.until(lambda: "coordinator" in page.text("actors") and "5 cycles" in page.text("actors"))
    assert "aggregator" in page.text("actors")
    served.do(lambda: served.swarm.rollback(2))
    page.until(lambda: "restores 2" in page.text("releases"))
    assert page.text("releases-read").startswith("1 rollback")
    assert page.errors() == []


def test_the_keyboard_reaches_everything_and_reads_a_cell(page: Page, served: Served) -> None:
    served.rounds(4)
    page.open(served.url)
    page.until(lambda: page.text("heat-last") == "4")
    reached: list[str] = []
    for _ in range(16):
        page.press(Keys.TAB)
        found = page.run("const e = document.activeElement; return e.id || e.className || e.tagName")
        reached.append(found)
        if found == "heat":
            break
    assert reached[0] == "skip"
    assert [name for name in reached if name in ("time", "kl", "accuracy", "heat-order", "heat")] == [
        "time",
        "kl",
        "accuracy",
        "heat-order",
        "heat",
    ]
    assert page.text("heat-read") == "agent-000, round 4: accepted"
    page.press(Keys.ARROW_LEFT, *[Keys.ARROW_DOWN] * 9)
    page.until(lambda: page.text("heat-read").startswith("agent-009, round 3: rejected by gate: gate.not_finite"))
    page.press(Keys.HOME, Keys.ARROW_UP)
    assert page.text("heat-read").startswith("agent-008, round 1: ")
    page.press(Keys.ENTER)
    page.until(lambda: "gate.not_finite" in page.text("agent-body"))
    assert page.text("agent-title") == "agent-008"
    assert page.run("return document.activeElement.id") == "agent"
    assert page.errors() == []


def test_a_chart_is_a_slider_over_rounds(page: Page, served: Served) -> None:
    served.rounds(3)
    page.open(served.url)
    page.until(lambda: page.text("heat-last") == "3")
    chart = page.driver.find_element(By.ID, "time")
    page.run("arguments[0].focus()", chart)
    page.press(Keys.ARROW_LEFT)
    page.until(lambda: chart.get_attribute("aria-valuenow") == "2")
    assert (chart.get_attribute("aria-valuetext") or "").startswith("Round 2: ")
    assert page.text("kl-read").startswith("Round 2: "), "all charts share one cursor"


def test_a_mouse_reads_the_cell_under_it(page: Page, served: Served) -> None:
    served.rounds(2)
    page.open(served.url)
    page.until(lambda: page.text("heat-last") == "2")
    canvas = page.driver.find_element(By.ID, "heat")
    page.run("arguments[0].scrollIntoView({ block: 'center' })", canvas)
    right, bottom = canvas.size["width"] // 2 - 4, canvas.size["height"] // 2 - 4
    webdriver.ActionChains(page.driver).move_to_element_with_offset(canvas, right, bottom).perform()
    page.until(lambda: page.text("heat-read").startswith("agent-009, round 2: rejected by gate"))
    webdriver.ActionChains(page.driver).move_to_element_with_offset(canvas, -right, -bottom).perform()
    page.until(lambda: page.text("heat-read") == "agent-000, round 1: accepted")


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_cut_off_or_scrolls_sideways(page: Page, served: Served, width: int) -> None:
    served.rounds(3)
    page.screen(width, 780)
    page.open(served.url)
    page.until(lambda: page.text("heat-last") == "3" and page.text("apart-read"))
    for box in page.driver.find_elements(By.CSS_SELECTOR, "details summary"):
        page.run("arguments[0].parentNode.open = true", box)
    page.until(lambda: page.run("return document.querySelectorAll('details table').length") == 2)
    assert page.run("return document.documentElement.scrollWidth") <= width
    beyond = page.run(
        "return [...document.querySelectorAll('main *')].filter((e) => !e.closest('.scroll') && !e.closest('.hidden')"
        " && !e.closest('svg') && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.id || e.className)"
    )
    assert beyond == []
    small = page.run(
        "return [...document.querySelectorAll('button, select, summary')].filter((e) => e.offsetParent"
        " && e.getBoundingClientRect().height < 24).map((e) => e.textContent)"
    )
    assert small == [], "targets are at least 24 px high (WCAG 2.2, 2.5.8)"


_CONTRAST = """
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const over = ([r, g, b, a = 1], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
const ground = (e) => e ? over(rgb(getComputedStyle(e).backgroundColor), ground(e.parentElement)) : [255, 255, 255];
const linear = (v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const light = (c) => { const [r, g, b] = c.map((v) => linear(v / 255));
  return .2126 * r + .7152 * g + .0722 * b; };
return [...document.querySelectorAll('body *')].filter((e) => e.offsetParent && !e.closest('.skip')
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())).map((e) => {
  const [a, b] = [light(rgb(getComputedStyle(e).color).slice(0, 3)), light(ground(e))].sort((x, y) => y - x);
  return [(a + .05) / (b + .05), e.id || e.className || e.tagName, e.textContent.slice(0, 30)];
}).filter(([ratio]) => ratio < 4.5);
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_its_ground_in_light_and_dark(page: Page, served: Served, dark: bool) -> None:
    served.rounds(4)
    page.screen(1280, 900, dark=dark, still=True)
    page.open(served.url)
    page.until(lambda: page.text("heat-last") == "4" and page.text("apart-read"))
    page.until(lambda: "cycles" in page.text("actors"))
    ground = page.run("return getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(13, 20, 24)" if dark else "rgb(244, 247, 248)")
    assert page.run(_CONTRAST) == []
    assert page.run("return getComputedStyle(document.querySelector('.dot')).animationName") == "none"


_UNNAMED = """
const name = (e) => (e.getAttribute('aria-label') || (e.getAttribute('aria-labelledby') || '').split(' ')
  .map((id) => document.getElementById(id)?.textContent ?? '').join(' ') || e.labels?.[0]?.textContent || e.alt
  || e.textContent).trim();
const reachable = [...document.querySelectorAll('a, button, input, select, canvas, meter, [tabindex="0"], [role]')]
  .filter((e) => e.offsetParent && e.getAttribute('role') !== 'status');
const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
const heads = [...document.querySelectorAll('h1, h2, h3')].map((e) => Number(e.tagName[1]));
return {
  unnamed: reachable.filter((e) => !name(e)).map((e) => e.outerHTML.slice(0, 80)),
  twice: ids.filter((id, at) => ids.indexOf(id) !== at),
  dangling: [...document.querySelectorAll('[aria-labelledby], [aria-describedby]')].flatMap((e) =>
    `${e.getAttribute('aria-labelledby') ?? ''} ${e.getAttribute('aria-describedby') ?? ''}`.trim().split(/ +/)
      .filter((id) => !document.getElementById(id))),
  skipped: heads.filter((level, at) => at && level > heads[at - 1] + 1),
  firsts: heads.filter((level) => level === 1).length,
  landmarks: ['header', 'main', 'footer'].filter((tag) => document.querySelectorAll(tag).length !== 1),
  images: [...document.querySelectorAll('img:not([alt])')].length,
  language: document.documentElement.lang,
  positive: [...document.querySelectorAll('[tabindex]')].filter((e) => e.tabIndex > 0).length,
  headless: [...document.querySelectorAll('table')].filter((e) => !e.caption || !e.querySelector('th[scope]')).length,
};
"""


def test_whoever_hears_the_page_is_told_what_everything_is(page: Page, served: Served) -> None:
    served.rounds(4)
    page.open(served.url)
    page.until(lambda: page.text("heat-last") == "4" and page.text("apart-read"))
    for box in page.driver.find_elements(By.CSS_SELECTOR, "details summary"):
        page.run("arguments[0].parentNode.open = true", box)
    page.until(lambda: page.run("return document.querySelectorAll('details table').length") == 2)
    assert page.run(_UNNAMED) == {
        "unnamed": [],
        "twice": [],
        "dangling": [],
        "skipped": [],
        "firsts": 1,
        "landmarks": [],
        "images": 0,
        "language": "en",
        "positive": 0,
        "headless": 0,
    }
    table = page.run(
        "return [...document.querySelectorAll('details')[1].querySelectorAll('tbody th')].map((e) => e.textContent)"
    )
    assert set(table[:3]) == LIARS, "the table says first who was rejected most"


def test_it_says_when_the_gateway_is_gone_and_goes_on_by_itself(page: Page, tmp_path: Path) -> None:
    with serving(config(tmp_path), pulse_s=0.1) as first:
        first.rounds(2)
        page.open(first.url)
        page.until(lambda: page.text("link-text") == "Live" and page.text("heat-last") == "2")
        port = int(first.url.rpartition(":")[2])
    page.until(lambda: page.text("link-text") == "Reconnecting")
    assert page.driver.find_element(By.ID, "fault").is_displayed()
    assert "What is shown is from before" in page.text("fault-text")
    assert page.text("heat-last") == "2", "what was known stays on show"
    with serving(config(tmp_path), port=port, pulse_s=0.1) as second:
        second.rounds(1)
        page.until(lambda: page.text("link-text") == "Live")
        page.until(lambda: page.text("heat-last") == "3")
        assert not page.driver.find_element(By.ID, "fault").is_displayed()
        second.call(lambda: second.stage.gone.add(host_name(0)))
        page.until(lambda: page.text("health").find("No quorum") >= 0 or "does not answer" in page.text("health-text"))


def test_another_swarm_in_the_place_of_the_first_is_shown_from_its_beginning(page: Page, tmp_path: Path) -> None:
    with serving(config(tmp_path / "one"), pulse_s=0.1) as first:
        first.rounds(2)
        page.open(first.url)
        page.until(lambda: page.text("heat-last") == "2")
        digest = page.text("note-release")
        port = int(first.url.rpartition(":")[2])
    with serving(config(tmp_path / "two").model_copy(update={"run": "two"}), port=port, pulse_s=0.1) as second:
        second.rounds(3)
        page.until(lambda: page.text("run").startswith("run two"))
        page.until(lambda: page.text("heat-shape") == "10 agents by 3 rounds")
        assert page.text("note-release") != digest


def test_a_round_without_a_release_is_said_first(page: Page, tmp_path: Path) -> None:
    with serving(config(tmp_path).model_copy(update={"deadline_s": 3.0}), pulse_s=0.1) as served:
        served.rounds(1)
        page.open(served.url)
        page.until(lambda: page.text("heat-last") == "1")
        served.call(lambda: served.stage.gone.add(host_name(1)))
        with pytest.raises(QuorumError):
            served.rounds(1)
        page.until(lambda: page.driver.find_element(By.ID, "health").get_attribute("data-health") == "bad")
        page.until(lambda: "without a release" in page.text("announce"))


def test_a_locked_gateway_asks_for_its_token(page: Page, tmp_path: Path) -> None:
    with serving(config(tmp_path), pulse_s=0.1, token=TOKEN) as served:
        served.rounds(1)
        page.open(served.url)
        page.until(lambda: page.driver.find_element(By.ID, "locked").is_displayed())
        assert not any(letter.isdigit() for letter in page.text("tiles"))
        page.driver.find_element(By.ID, "token").send_keys(TOKEN, Keys.ENTER)
        page.until(lambda: page.text("link-text") == "Live")
        page.until(lambda: page.text("tile-release") == "1")
        assert not page.driver.find_element(By.ID, "locked").is_displayed()
        assert TOKEN not in page.run("return document.documentElement.outerHTML")
        page.run("sessionStorage.clear()")
