"""The page in a real browser: clicks, keys, a server that dies and comes back, and what eyes and screen readers get."""

import json
import shutil
import tempfile

import pytest

from demo_cases import TITLES, recommender_of_films, serving

pytest.importorskip("starlette", reason="needs starlette")
pytest.importorskip("uvicorn", reason="needs uvicorn")
webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs a browser: chromium and chromedriver (Debian: chromium chromium-driver)"
)
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1400,1000"
)
AMELIE = "Amélie & Co."


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "films.fastfm"
    recommender_of_films().save(path)
    return path


@pytest.fixture(scope="module")
def server(path):
    with serving(path) as (port, process):
        yield port, process


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in [*FLAGS.split(), f"--user-data-dir={profile}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        yield driver
        driver.quit()


class Page:
    """The page, in the words of somebody who looks at it."""

    def __init__(self, browser, port):
        self.browser = browser
        self.base = f"http://127.0.0.1:{port}/"
        browser.get("about:blank")
        browser.get(self.base)
        self.until(lambda: self.titles() and "variance" in self.text("map-hint"))

    def until(self, holds):
        WebDriverWait(self.browser, 20, poll_frequency=0.02).until(lambda _: holds())

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector):
        # At one moment: lists are made anew while a test looks.
        return self.script("return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector)

    def text(self, name):
        return self.script("return document.getElementById(arguments[0]).textContent", name)

    def script(self, code, *arguments):
        return self.browser.execute_script(code, *arguments)

    def titles(self):
        return self.texts("#items h3")

    def likes(self):
        return self.texts("#likes button")

    def found(self):
        return self.texts("#results strong")

    def search(self, words):
        box = self.one("#search")
        box.clear()
        box.send_keys(words)

    def press(self, *keys):
        self.browser.switch_to.active_element.send_keys(*keys)

    def focused(self):
        return self.script(
            "return document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
        )

    def like(self, words, title):
        """Search for a title by words that only it has, and click it."""
        self.search(words)
        self.until(lambda: self.found() == [title])
        before = self.likes()
        self.one("#results button").click()
        self.until(lambda: self.likes() != before and f"your {len(self.likes())} like" in self.text("status"))

    def slide(self, name, value):
        self.script(
            "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
            "e.dispatchEvent(new Event('input', { bubbles: true }))",
            name,
            value,
        )


@pytest.fixture
def page(browser, server):
    page = Page(browser, server[0])
    yield page
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert [entry["message"] for entry in errors if "favicon" not in entry["message"]] == []


def test_ten_clicks(page):
    assert len(page.titles()) == 10
    assert "that most users chose" in page.text("status")
    page.like("amelie", AMELIE)  # 1: a search and a click
    assert page.likes() == [AMELIE]
    assert page.texts("#items .reason strong")[0] == AMELIE
    assert AMELIE not in page.titles()
    first = page.titles()
    page.one("#items li:nth-child(2) .buttons button").click()  # 2: what is recommended is liked
    page.until(lambda: len(page.likes()) == 2 and "2 likes" in page.text("status"))
    assert page.likes() == [AMELIE, first[1]]
    assert first[1] not in page.titles()
    page.one("#items summary").click()  # 3: the score in numbers
    (table, *_) = page.all("#items details[open] table")
    *parts, score = [float(cell.text) for cell in table.find_elements(By.CSS_SELECTOR, "td:nth-child(2)")]
    assert sum(parts) == pytest.approx(score, abs=0.03)
    page.slide("n", 4)  # 4
    page.until(lambda: len(page.titles()) == 4)
    assert page.text("n-value") == "4"
    page.slide("popularity", 0)  # 5: the rarest count as much as the most popular
    page.until(lambda: "0.00" in page.texts("#items details[open] tr:nth-last-child(1) td")[:1])
    assert page.text("popularity-value") == "× 0.0"
    page.one("#items li:first-child .buttons button:nth-child(2)").click()  # 6: similar films
    page.until(lambda: page.one("#similar").is_displayed())
    assert page.text("similar-heading") == f"Similar to {page.titles()[0]}"
    neighbor = page.texts("#neighbors strong")[-1]
    page.all("#neighbors button")[-1].click()  # 7
    page.until(lambda: neighbor in page.likes())
    page.one("#close").click()  # 8
    assert not page.one("#similar").is_displayed()
    page.all("#likes button")[0].click()  # 9: a like is taken away
    page.until(lambda: AMELIE not in page.likes())
    page.one("#clear").click()  # 10
    page.until(lambda: page.likes() == [] and "that most users chose" in page.text("status"))


def test_titles_are_text_and_never_code(page):
    page.search("script")
    page.until(lambda: page.found() == [TITLES[0]])
    page.one("#results button").click()
    page.until(lambda: page.likes() == [TITLES[0]])
    page.like("onerror", TITLES[6])
    assert TITLES[0] in page.texts("#items .reason strong") or TITLES[6] in page.texts("#items .reason strong")
    assert page.browser.title == "Items that go with what you like"
    assert page.all("main script, main img, dialog img") == []


def test_the_keyboard_alone_is_enough(page):
    page.script("document.activeElement.blur()")
    page.press(Keys.TAB)
    assert page.focused() == "Go to the recommendations"
    page.press(Keys.TAB)
    page.press("matrix")
    page.until(lambda: len(page.found()) == 2)
    assert page.text("found") == "2 items found"
    page.press(Keys.ARROW_DOWN)
    page.press(Keys.ARROW_DOWN)
    assert page.focused().startswith("The Matrix")
    page.press(Keys.SPACE)
    page.until(lambda: page.likes() == ["The Matrix"])
    assert page.focused().startswith("The Matrix")  # it stays where it was
    page.press(Keys.ARROW_UP)
    page.press(Keys.ENTER)
    page.until(lambda: len(page.likes()) == 2)
    page.press(Keys.TAB, Keys.TAB)  # over the other result, to Start over
    page.press(Keys.TAB)
    assert page.focused() == "Like The Matrix no more"
    page.press(Keys.ENTER)
    page.until(lambda: page.likes() == ["Matrix, The Second"])
    assert page.focused() == "Like Matrix, The Second no more"
    page.press(Keys.TAB)
    page.press(Keys.ARROW_LEFT)
    page.until(lambda: page.text("popularity-value") == "× 0.9")
    assert page.script("return document.activeElement.getAttribute('aria-valuetext')") == "× 0.9"
    page.press(Keys.TAB)
    page.press(Keys.ARROW_LEFT)
    page.until(lambda: len(page.titles()) == 9)
    page.press(Keys.TAB)
    first, second = page.titles()[:2]
    assert page.focused() == f"Like {first}"
    page.press(Keys.ENTER)
    page.until(lambda: first in page.likes() and page.focused() != f"Like {first}")
    assert page.focused() == f"Like {page.titles()[0]}"  # what had the focus is gone: it is at the same place
    page.press(Keys.TAB, Keys.NULL)
    page.press(Keys.ENTER)
    page.until(lambda: page.one("#similar").is_displayed())
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.one("#similar").is_displayed())
    assert page.focused().startswith("Similar to")
    assert second


def test_the_map_is_for_the_mouse_and_for_the_keyboard(page):
    before = page.script("return document.getElementById('map').toDataURL()")
    page.script("document.getElementById('map').focus()")
    page.press(Keys.ARROW_RIGHT)
    page.until(lambda: page.text("here") != "")
    assert page.text("here") == page.titles()[0] == page.text("tip")
    seen = {page.text("here")}
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.ARROW_DOWN) * 2:
        page.press(key)
        seen.add(page.text("here"))
    assert len(seen) > 2
    title = page.text("here")
    page.press(Keys.ENTER)
    page.until(lambda: page.likes() == [title])
    page.until(lambda: page.text("here") == f"{title}: liked")
    assert page.script("return document.getElementById('map').toDataURL()") != before
    x, y = page.script(
        "const at = map.titles.indexOf(arguments[0]), box = document.getElementById('map').getBoundingClientRect();"
        "return [position(at)[0] - box.width / 2, position(at)[1] - box.height / 2]",
        title,
    )
    mouse = webdriver.ActionChains(page.browser)
    mouse.move_to_element_with_offset(page.one("#map"), round(x), round(y)).click().perform()
    page.until(lambda: page.likes() == [])
    assert page.texts("#legend li")[-2:] == ["you like", "recommended"]


def test_a_server_that_is_killed_and_started_again_finds_all_as_it_was(browser, path):
    with serving(path) as (port, process):
        page = Page(browser, port)
        page.like("amelie", AMELIE)
        page.slide("n", 5)
        page.until(lambda: len(page.titles()) == 5)
        before = page.titles()
        process.kill()
        process.wait(timeout=30)
        page.search("matrix")
        page.until(lambda: page.one("#offline").is_displayed())
        assert "The server does not answer" in page.text("offline")
        assert page.likes() == [AMELIE]
    with serving(path, port=port):
        page.until(lambda: not page.one("#offline").is_displayed() and len(page.found()) == 2)
        assert (page.titles(), page.likes()) == (before, [AMELIE])
        page.one("#results button").click()
        page.until(lambda: len(page.likes()) == 2 and "2 likes" in page.text("status"))
        likes, titles = page.likes(), page.titles()
        browser.refresh()  # and a page that is loaded again finds all in its address
        page.until(lambda: len(page.likes()) == 2 and len(page.titles()) == 5)
        assert (page.likes(), page.titles()) == (likes, titles)
    browser.get_log("browser")  # of the connections that were refused


def test_likes_of_another_model_are_left_out(page):
    page.browser.get("about:blank")
    page.browser.get(f"{page.base}#model=0123456789ab&likes=1,2&n=3&popularity=1")
    page.until(lambda: len(page.titles()) == 3)
    assert page.likes() == []
    assert "of another model" in page.text("error")


WITHOUT_CONTRAST = """
const channel = (c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ground = (e) => {
  for (; e; e = e.parentElement) {
    const color = parse(getComputedStyle(e).backgroundColor);
    if (color.length < 4 || color[3] > 0.99) return color;
  }
  return [255, 255, 255];
};
const found = [];
for (const e of document.querySelectorAll("body *")) {
  const shown = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!shown || !e.checkVisibility() || e.closest(".visually-hidden")) continue;
  const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) found.push(`${e.tagName} ${e.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
}
return [found, getComputedStyle(document.body).backgroundColor];
"""


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read_and_nothing_is_cut_off(page, scheme, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        page.like("amelie", AMELIE)
        page.one("#items summary").click()
        page.script("say_error('Something')")
        faint, ground = page.script(WITHOUT_CONTRAST)
        assert faint == []
        assert (sum(json.loads(f"[{ground[4:-1]}]")) > 600) == (scheme == "light")
        assert page.script("return document.documentElement.scrollWidth <= innerWidth")
        buttons = "[...document.querySelectorAll('button')].filter((e) => e.checkVisibility())"
        assert page.script(f"return Math.min(...{buttons}.map((e) => e.offsetHeight))") >= 24
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_screen_reader_hears_names_roles_and_news(page):
    page.like("amelie", AMELIE)
    nodes = page.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    heard = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if not n["ignored"]]
    names = {role: [name for other, name in heard if other == role] for role, _ in heard}
    assert names["searchbox"] == ["Search titles"]
    assert names["slider"] == ["Popularity", "How many"]
    assert "Map of items" in names["application"]
    assert {"Find", "You like", "Recommended", "Map of items"} <= set(names["heading"])
    assert all(names["button"])
    assert f"Like {page.titles()[0]}" in names["button"]
    assert page.script("return document.documentElement.lang") == "en"
    live = page.script("return [...document.querySelectorAll('[role=status], [role=alert]')].map((e) => e.id)")
    assert {*live} == {"found", "status", "here", "offline", "error"}
    assert page.script("return document.querySelector('#results [aria-pressed=true]').textContent").startswith(AMELIE)
