"""`python -m tools.stylepictures OUT --media MEDIA --photos FOLDER ...`: the pictures that Pepper_VA is trained on.

Photographs are taken from folders in which the packages below were unpacked; a Debian system gets them by

    apt-get download lomiri-wallpapers-16.04 palapeli-data
    dpkg-deb --extract lomiri-wallpapers-16.04_*.deb photos
    dpkg-deb --extract palapeli-data_*.deb photos

and from the installed Python packages scikit-image and scikit-learn. Only what is in the public domain, CC0 or CC BY is
taken: of these packages and of others (mate-backgrounds and plasma-workspace-wallpapers are GPL and LGPL, some of
Lomiri's and KDE's pictures CC BY-SA) the photographs under copyleft are left out, so that nobody needs to ask whether
weights are derived from them; so are drawings and abstract pictures, which are no photographs.

OUT/photos and OUT/styles hold the pictures, OUT/LICENCES.md what each is and whose.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from vsanime.media.pictures import open_picture

_PEPPER = "Anna Dorokhova after David Revoy, Pepper & Carrot"
_FIGURE = 160  # pixels that a figure has at least, both ways: a patch


@dataclass(frozen=True)
class Photo:
    """A photograph.

    Attributes:
        name: of the file.
        package: that it comes in.
        author: of the photograph.
        licence: of the photograph.
    """

    name: str
    package: str
    author: str
    licence: str


@dataclass(frozen=True)
class Background:
    """A painted picture, or the part of it that is art: the rest is a border of the game that it is from.

    Attributes:
        file: below the media folder.
        name: it gets; the two halves of one picture differ in more than digits, so that one of them can be held out.
        box: left, top, right and bottom in pixels; none for all of it.
        author: of the picture.
        licence: of the picture.
    """

    file: str
    name: str
    box: tuple[int, int, int, int] | None
    author: str
    licence: str


_LOMIRI, _PALAPELI, _SKIMAGE, _SKLEARN = "lomiri-wallpapers-16.04", "palapeli-data", "scikit-image", "scikit-learn"
_AITZOL = "Aitzol Berasategi"
PHOTOS = (
    Photo("aitzgorri_by_Aitzol_Berasategi.jpg", _LOMIRI, _AITZOL, "CC BY 4.0"),
    Photo("friends_by_Aitzol_Berasategi.jpg", _LOMIRI, _AITZOL, "CC BY 4.0"),
    Photo("life_by_Aitzol_Berasategi.jpg", _LOMIRI, _AITZOL, "CC BY 4.0"),
    Photo("picosdeeuropa_by_Aitzol_Berasategi.jpg", _LOMIRI, _AITZOL, "CC BY 4.0"),
    Photo("sunset_by_Aitzol_Berasategi.jpg", _LOMIRI, _AITZOL, "CC BY 4.0"),
    Photo("Picture_0B_by_freespace.jpg", _LOMIRI, 'Trevor "Freespace"', "CC BY 4.0"),
    Photo("Picture_1A_by_freespace.jpg", _LOMIRI, 'Trevor "Freespace"', "CC BY 4.0"),
    Photo("Wine_by_Jakkub_Mede.jpg", _LOMIRI, "Jakub Mede", "CC BY 4.0"),
    Photo("seeding_by_Clements_Engelhardt.jpg", _LOMIRI, "Clemens Engelhardt", "CC0 1.0"),
    Photo("cincinnati-bridge.jpg", _PALAPELI, "Derek Jensen", "public domain"),
    Photo("citrus-fruits.jpg", _PALAPELI, "US Department of Agriculture", "public domain"),
    Photo("european-honey-bee.jpg", _PALAPELI, "John Severns", "public domain"),
    Photo("astronaut.png", _SKIMAGE, "NASA", "public domain"),
    Photo("chelsea.png", _SKIMAGE, "Stefan van der Walt", "CC0 1.0"),
    Photo("coffee.png", _SKIMAGE, "Rachel Michetti", "CC0 1.0"),
    Photo("rocket.jpg", _SKIMAGE, "SpaceX", "public domain"),
    Photo("china.jpg", _SKLEARN, "danielbuechele", "CC BY 2.0"),
    Photo("flower.jpg", _SKLEARN, "vultilion", "CC BY 2.0"),
)
BACKGROUNDS = (
    Background(
        "pictures/pepper_carrot/backgrounds/kitchen.png", "kitchen wood", (180, 102, 640, 718), _PEPPER, "CC BY 4.0"
    ),
    Background(
        "pictures/pepper_carrot/backgrounds/kitchen.png", "kitchen fire", (640, 102, 1090, 718), _PEPPER, "CC BY 4.0"
    ),
    Background("pictures/pepper_carrot/backgrounds/world.png", "garden", (160, 24, 1114, 690), _PEPPER, "CC BY 4.0"),
)
# Folders and beginnings of names; of figures all that are large enough, on whatever lies behind them while training.
FIGURES = (
    ("pictures/pepper_carrot/sprites", ("pepper_", "carrot_", "pause", "lose"), _PEPPER, "CC BY 4.0"),
    ("pictures/pepper_carrot/backgrounds", ("loading_screen",), _PEPPER, "CC BY 4.0"),
)


def gather(out: Path, media: Path, folders: list[Path]) -> list[str]:
    """Copy everything.

    Args:
        out: folder that gets it.
        media: folder of the drawn pictures.
        folders: where photographs are searched, with all folders below.

    Returns:
        Lines about what was taken; those about what is missing begin with `missing`.
    """
    lines = [_photo(out / "photos", photo, folders) for photo in PHOTOS]
    lines += [_background(out / "styles" / "backgrounds", background, media) for background in BACKGROUNDS]
    for folder, starts, author, licence in FIGURES:
        for path in sorted((media / folder).glob("*.png")):
            if path.name.startswith(starts):
                lines += _figure(out / "styles" / "figures", path, author, licence)
    out.mkdir(parents=True, exist_ok=True)
    text = "# Pictures that Pepper_VA is trained on\n\n" + "\n".join(f"- {line}" for line in lines) + "\n"
    (out / "LICENCES.md").write_text(text, encoding="utf-8")
    return lines


def _photo(out: Path, photo: Photo, folders: list[Path]) -> str:
    found = next((path for folder in folders for path in folder.rglob(photo.name)), None)
    if found is None:
        return f"missing: {photo.name} of {photo.package}"
    out.mkdir(parents=True, exist_ok=True)
    (out / photo.name).write_bytes(found.read_bytes())
    return f"{photo.name}: {photo.author}, {photo.licence} ({photo.package})"


def _background(out: Path, background: Background, media: Path) -> str:
    path = media / background.file
    if not path.is_file():
        return f"missing: {background.file}"
    out.mkdir(parents=True, exist_ok=True)
    with open_picture(path) as picture:
        picture.convert("RGB").crop(background.box or (0, 0, *picture.size)).save(out / f"{background.name}.png")
    return f"{background.name}.png of {background.file}: {background.author}, {background.licence}"


def _figure(out: Path, path: Path, author: str, licence: str) -> list[str]:
    with open_picture(path) as picture:
        if min(picture.size) < _FIGURE:
            return []
        out.mkdir(parents=True, exist_ok=True)
        picture.save(out / path.name)
    return [f"{path.name}: {author}, {licence}"]


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT", type=Path, help="folder that gets them: a --data of `vsanime train`")
    parser.add_argument("--media", type=Path, required=True, help="folder with pictures/pepper_carrot and the like")
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="folders with unpacked packages")
    args = parser.parse_args()
    installed = [spec for name in ("skimage", "sklearn") if (spec := find_spec(name)) is not None]
    folders = [Path(spec.origin).parent for spec in installed if spec.origin]
    lines = gather(args.out, args.media, [*args.photos, *folders])
    missing = [line for line in lines if line.startswith("missing")]
    print(f"{len(lines) - len(missing)} pictures in {args.out}")
    print("\n".join(missing), file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
