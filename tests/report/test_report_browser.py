"""The report in a real browser: no error, nothing wider than the window."""

import html
import json
import re
import shutil
import subprocess

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
FLAGS += " --disable-component-update --disable-sync --enable-logging=stderr --v=0 --virtual-time-budget=4000"

PROBE = """<script>
window.onerror = message => { document.title = "ERROR " + message };
window.onload = () => {
  const frame = document.getElementById("frame"), page = frame.contentDocument, width = frame.clientWidth;
  const scrolls = e => e && (getComputedStyle(e).overflowX === "auto" || scrolls(e.parentElement));
  const sticksOut = e => e.getBoundingClientRect().right > width + 1;
  const cut = [...page.querySelectorAll("body *")].filter(e => !scrolls(e) && sticksOut(e));
  const broken = [...page.images].filter(i => !i.complete || i.naturalWidth === 0);
  const out = document.createElement("pre"); out.id = "probe";
  out.textContent = JSON.stringify({width, scroll: page.documentElement.scrollWidth, images: page.images.length,
    broken: broken.length, cut: cut.map(e => e.tagName + " " + e.className + " " + e.textContent.slice(0, 40))});
  document.body.append(out);
};
</script>"""


@pytest.fixture(scope="module")
def pages(good_page, bad_page):
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    return {"good": good_page, "bad": bad_page}


def browse(page, width, profile):
    """What the page's layout is at a width, and what the browser wrote to its console."""
    frame = page.with_name("frame.html")
    source = f'<iframe id="frame" src="report.html" style="border:0;width:{width}px;height:9000px"></iframe>'
    frame.write_text(f"<!DOCTYPE html><body style='margin:0'>{source}{PROBE}</body>")
    command = [CHROMIUM, *FLAGS.split(), "--allow-file-access-from-files", f"--user-data-dir={profile}", "--dump-dom"]
    done = subprocess.run([*command, frame.as_uri()], capture_output=True, text=True, timeout=120, check=False)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.S)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found.group(1))), console


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("which", ["good", "bad"])
def test_nothing_is_cut_off_and_no_error_is_logged(pages, tmp_path, which, width):
    layout, console = browse(pages[which], width, tmp_path / "profile")
    assert console == []
    assert layout["width"] == width
    assert layout["scroll"] <= width
    assert layout["cut"] == []
    assert layout["broken"] == 0
    assert layout["images"] > 12


def test_probe_finds_what_is_too_wide(pages, tmp_path):
    page = tmp_path / "report.html"
    wide = "<p style='width:900px'>wide</p><script>console.error('broken')</script></body>"
    page.write_text(pages["good"].read_text().replace("</body>", wide))
    layout, console = browse(page, 390, tmp_path / "profile")
    assert layout["scroll"] > 390
    assert any("wide" in element for element in layout["cut"])
    assert len(console) == 1
