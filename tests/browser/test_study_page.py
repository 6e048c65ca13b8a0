"""The page of a study, driven as a rater does: every clip is rated, and the file that is saved is what scores read.

Needs Playwright and a Chromium, as the other browser tests do, but no ComfyUI frontend.
"""

from __future__ import annotations

import json

import pytest
from browser.found import chromium, missing
from browser.studio import DRIVER

torch = pytest.importorskip("torch")  # the other browser tests need nothing of the library's own

from vace_core.evaluation.manifest import Item  # noqa: E402
from vace_core.evaluation.study import make_study, read_opinions  # noqa: E402
from vace_core.media.write import write_video  # noqa: E402

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run"]
PATIENCE = 120_000  # milliseconds: a busy machine is no fault


@pytest.fixture
def study(tmp_path):
    methods = {}
    for number, method in enumerate(("ours", "theirs")):
        methods[method] = tmp_path / method
        methods[method].mkdir()
        for sample in range(2):
            write_video(methods[method] / f"s{sample}.mp4", torch.full((1, 3, 5, 32, 48), 0.3 * number), fps=8)
    make_study(tmp_path, [Item(name=f"s{n}", task="I2V", prompt=f"prompt {n}") for n in range(2)], methods)
    return tmp_path


@pytest.fixture
def page(study):
    if missing():
        pytest.skip(missing())
    browser = DRIVER.start().chromium.launch(executable_path=chromium(), args=ARGUMENTS)
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto((study / "study" / "study.html").as_uri())
    yield page
    browser.close()
    DRIVER.stop()


def begin(page, name: str) -> None:
    page.fill("#rater", name)
    page.click("#start button")
    page.wait_for_selector("#rate:not([hidden])")


def test_a_rater_rates_everything_and_saves(page, study):
    begin(page, "Ada 1")
    shown = []
    for number in range(4):
        assert f"Clip {number + 1} of 4" in page.inner_text("#count")
        assert page.is_disabled("#next")
        shown.append(page.get_attribute("#film", "src"))
        for question, score in enumerate((5, 4, 3)):
            page.check(f"input[name=q{question}][value='{score}']")
        if number < 3:
            page.click("#next")
    assert len(set(shown)) == 4
    assert page.is_visible("#all")
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "ratings-Ada-1.json"
    path = study / "ratings.json"
    download.value.save_as(path)
    opinions = read_opinions(study / "key.json", [path])
    assert opinions.raters == ("Ada 1",)
    assert [opinions.score("I2V", "ours", name).value for name in ("prompt following", "video quality")] == [5, 3]


def test_answers_survive_a_reload_and_another_rater_has_another_start(page):
    begin(page, "Ada")
    for question in range(3):
        page.check(f"input[name=q{question}][value='2']")
    page.reload()
    begin(page, "Ada")
    assert "Clip 2 of 4, 1 rated" in page.inner_text("#count")
    page.click("#back")
    assert page.is_checked("input[name=q0][value='2']")
    page.reload()
    begin(page, "Grace")
    assert "0 rated" in page.inner_text("#count")
    assert not page.is_checked("input[name=q0][value='2']")


def test_a_clip_that_is_half_answered_keeps_its_answers_and_is_not_saved(page, study):
    begin(page, "Ada")
    for question in range(3):
        page.check(f"input[name=q{question}][value='2']")
    page.click("#next")
    half = page.get_attribute("#film", "src")
    page.check("input[name=q1][value='4']")
    page.click("#back")
    page.reload()
    begin(page, "Ada")
    assert "Clip 2 of 4, 1 rated" in page.inner_text("#count")
    assert page.is_checked("input[name=q1][value='4']")
    assert page.is_disabled("#next")
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(study / "ratings.json")
    saved = json.loads((study / "ratings.json").read_text())["ratings"]
    assert len(saved) == 1
    assert half.removeprefix("clips/") not in saved


def test_the_page_asks_for_nothing_from_elsewhere(page, study):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    begin(page, "Ada")
    page.wait_for_function("document.getElementById('film').readyState > 0")
    assert all(url.startswith("file://") for url in asked)
    assert len(json.loads((study / "key.json").read_text())["clips"]) == 4
