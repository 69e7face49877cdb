"""What MkDocs needs besides: pages from the root of the repository, and links to them.

Nothing outside of the site is linked to by a path: there, such a link is its words alone.
"""

import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def on_files(files, config):
    """Add the pages that stand at the root."""
    for source, name in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        # Written there, they speak of docs/ from above.
        text = re.sub(r"\]\((?!https?:|#)(?!docs/)", "](../", text)
        files.append(File.generated(config, name, content=text.replace("](docs/", "](")))
    return files


def on_page_markdown(markdown, page, **_):
    """Lead links to pages of the root to where they are here, and leave out other ones."""
    return LINK.sub(_here, markdown)


def _here(link: re.Match) -> str:
    words, target = link.groups()
    if not target.startswith("../"):
        return link.group()
    path, _, anchor = target.removeprefix("../").partition("#")
    if path in PAGES:
        return f"[{words}]({PAGES[path]}{'#' * bool(anchor)}{anchor})"
    return words
