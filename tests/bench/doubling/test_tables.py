"""Tables: a column for each kernel, a row for each method, cells that are means over pictures and nothing else."""

from __future__ import annotations

from vsanime.bench.doubling.measure import CHROMA, LUMA, Figure
from vsanime.bench.doubling.tables import as_csv, as_markdown


def figure(group: str, picture: str, kernel: str, method: str, psnr: float, ssim: float = 0.5) -> Figure:
    return Figure(group, picture, LUMA, "Y", kernel, method, psnr, ssim)


FIGURES = [
    figure("art", "a", "box", "A", 30, 0.9),
    figure("art", "a", "lanczos3", "A", 20, 0.8),
    figure("art", "b", "box", "A", 40, 0.7),
    figure("art", "b", "lanczos3", "A", 24, 0.6),
    figure("cels", "c", "box", "B|1", 50),
]


def test_kernels_are_never_averaged() -> None:
    text = as_markdown(FIGURES[:4])
    assert "| method | box | lanczos3 |" in text
    assert "| A | 35.00 / 0.8000 | 22.00 / 0.7000 |" in text
    assert "means over 2 pictures" in text
    assert "each source" not in text


def test_each_source_has_a_table_of_its_own() -> None:
    text = as_markdown(FIGURES)
    whole, art, cels = text.split("\n### ")[0], *text.split("\n### ")[1:]
    assert "means over 3 pictures" in whole
    assert art.startswith("art\n")
    assert "| A | 35.00 / 0.8000 | 22.00 / 0.7000 |" in art
    # A kernel by which none of a source's pictures was halved is no column of its table.
    assert "| method | box |" in cels
    assert "| B\\|1 | 50.00 / 0.5000 |" in cels
    assert "means over 1 picture." in cels


def test_chroma_has_a_figure_for_each_plane() -> None:
    figures = [
        Figure("art", "a", CHROMA, plane, "box, left", "bilinear", psnr, 0.5)
        for plane, psnr in (("Cb", 31.0), ("Cr", 42.0))
    ]
    assert "| bilinear | 31.00 / 42.00 |" in as_markdown(figures)


def test_the_csv_has_a_line_for_each_figure() -> None:
    lines = as_csv([FIGURES[1]], heading=True).splitlines()
    assert lines == [
        "group,picture,measure,plane,condition,method,psnr,ssim",
        "art,a,luma,Y,lanczos3,A,20.0000,0.800000",
    ]
    assert '"a, frame 6"' in as_csv([figure("art", "a, frame 6", "box", "A", 1)], heading=False)
