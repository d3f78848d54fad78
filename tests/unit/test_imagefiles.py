import io
import os
import socket
import sys
from pathlib import Path

import pytest

from offload.domain.errors import ImageError, UsageError
from offload.domain.results import printable
from offload.drivers.images import formats
from offload.drivers.images.image_files import find, read
from tests.drawing import saved


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """a.jpg, sub/a.jpg, sub/deep/b.png, notes.txt; we stand above it."""
    folder = tmp_path / "photos"
    saved(folder / "a.jpg")
    saved(folder / "sub" / "a.jpg")
    saved(folder / "sub" / "deep" / "b.PNG", kind="PNG")
    (folder / "notes.md").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_folder_gives_its_images_relative_to_it(tree: Path) -> None:
    found = find(["photos"])
    assert found.paths == ["a.jpg"]
    assert found.root == str(tree)


def test_r_goes_down_and_twins_stay_apart(tree: Path) -> None:
    assert find([str(tree)], recursive=True).paths == ["a.jpg", "sub/a.jpg", "sub/deep/b.PNG"]


def test_several_sources_are_relative_to_where_we_stand(tree: Path) -> None:
    assert find(["photos", "photos/sub"]).paths == ["photos/a.jpg", "photos/sub/a.jpg"]


def test_sources_elsewhere_are_relative_to_their_common_folder(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    monkeypatch.chdir(tree / "sub" / "deep")
    found = find([str(tree / "a.jpg"), str(tree / "sub" / "a.jpg")])
    assert (found.root, found.paths) == (str(tree), ["a.jpg", "sub/a.jpg"])


def test_a_file_named_twice_counts_once(tree: Path) -> None:
    assert find(["photos/a.jpg", "photos/../photos/a.jpg", "photos"]).paths == ["photos/a.jpg"]


def test_a_glob_pattern_is_expanded(tree: Path) -> None:
    assert find(["photos/**/*.jpg"]).paths == ["photos/a.jpg", "photos/sub/a.jpg"]


@pytest.mark.parametrize(
    "text",
    [
        "photos/a.jpg\nphotos/sub/a.jpg\n\n",
        "photos/a.jpg\0photos/sub/a.jpg\0",
        "\ufeffphotos/a.jpg\r\nphotos/sub/a.jpg",
    ],
    ids=["lines", "NUL", "byte order mark"],
)
def test_a_list_comes_from_a_file_or_standard_input(
    tree: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    Path("list.txt").write_text(text)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    wanted = ["photos/a.jpg", "photos/sub/a.jpg"]
    assert find(["list.txt"]).paths == wanted
    assert find(["-"]).paths == wanted


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_list_that_powershell_wrote_is_read(tree: Path, encoding: str) -> None:
    saved(tree / "Wörter 火.jpg")
    text = "\ufeffphotos/a.jpg\r\nphotos/Wörter 火.jpg\r\n"
    Path("list.txt").write_bytes(text.encode(encoding))
    assert find(["list.txt"]).paths == ["photos/a.jpg", "photos/Wörter 火.jpg"]


def test_a_lists_paths_are_meant_from_the_current_folder(tree: Path) -> None:
    (tree / "list.txt").write_text("photos/a.jpg\n")
    assert find(["photos/list.txt"]).paths == ["photos/a.jpg"]


def test_the_results_folder_is_not_taken_for_pictures(tree: Path) -> None:
    saved(tree / "out" / "annotated" / "a.jpg")
    paths = find([str(tree)], recursive=True, skip=str(tree / "out")).paths
    assert paths == ["a.jpg", "sub/a.jpg", "sub/deep/b.PNG"]


def test_links_to_folders_are_followed_but_not_in_circles(tree: Path, tmp_path: Path) -> None:
    saved(tmp_path / "elsewhere" / "c.jpg")
    (tree / "linked").symlink_to(tmp_path / "elsewhere")
    (tree / "sub" / "up").symlink_to(tree)
    found = find([str(tree)], recursive=True)
    assert found.paths == ["a.jpg", "sub/a.jpg", "sub/deep/b.PNG", "linked/c.jpg"]
    assert found.problems == []


@pytest.mark.parametrize("source", ["f0", "f0/**/*.jpg", "**"])
def test_folders_that_link_to_each_other_are_gone_through_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    for number in range(8):
        saved(tmp_path / f"f{number}" / f"{number}.jpg")
        for other in range(8):
            (tmp_path / f"f{number}" / f"to{other}").symlink_to(tmp_path / f"f{other}")
    monkeypatch.chdir(tmp_path)
    found = find([source], recursive=True)
    assert len(found.paths) == {"f0": 8, "**": 8}.get(source, 1)


def test_a_folder_is_known_by_its_own_path_not_by_a_links(tree: Path) -> None:
    (tree / "all").symlink_to(tree / "sub")
    assert find([str(tree)], recursive=True).paths == ["a.jpg", "sub/a.jpg", "sub/deep/b.PNG"]


def test_what_is_left_out_is_counted_by_suffix(tree: Path) -> None:
    for name in ("1.heic", "2.HEIC", "3.xyz", "4.xyz", "5.xyz", "IMG_6", ".DS_Store"):
        (tree / name).touch()
    omission = find([str(tree)]).omission
    if formats.READS_HEIF:
        assert omission == "4 other files left out (3 .xyz, 1 without suffix)"
    else:
        assert omission == (
            "6 other files left out (3 .xyz, 2 .heic, 1 without suffix); "
            "to read HEIC: pip install 'offload[heif]'"
        )


def test_many_kinds_are_shortened_and_none_is_no_word(tree: Path, tmp_path: Path) -> None:
    saved(tmp_path / "one" / "a.jpg")
    assert not find([str(tmp_path / "one")]).omission
    for number in range(5):
        (tree / f"x.{number}").touch()
    assert find([str(tree)]).omission.endswith("…)")


def test_a_folder_of_other_files_alone_says_which(tmp_path: Path) -> None:
    (tmp_path / "scan").touch()
    with pytest.raises(UsageError, match=r"No images in .*; 1 other file left out \(1 without"):
        find([str(tmp_path)])


@pytest.mark.parametrize("recursively", ["photos", "photos/**"])
def test_what_systems_keep_beside_photos_is_no_picture(tree: Path, recursively: str) -> None:
    saved(tree / "._a.jpg")
    for folder in (".thumbnails", "@eaDir", ".Trashes", ".Trash-1000", "__MACOSX"):
        saved(tree / "sub" / folder / "a.jpg")
    found = find([recursively], recursive=True)
    assert [os.path.basename(path) for path in found.paths if path.endswith(".jpg")] == [
        "a.jpg"
    ] * 2


@pytest.mark.parametrize("name", ["a.avif", "a.jp2", "a.ppm", "a.pgm"])
def test_a_folder_gives_pictures_of_newer_and_older_kinds(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert find([str(tmp_path)]).paths == [name]


def test_a_folder_without_images_is_refused_with_the_next_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No images") as caught:
        find([str(tmp_path)])
    assert "offload detect -r" in caught.value.hint


def test_what_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        find([str(tmp_path / "nowhere")])
    with pytest.raises(UsageError, match="Nothing matches"):
        find([str(tmp_path / "*.jpg")])


def test_reading_gives_the_bytes_untouched(tree: Path) -> None:
    file = read(str(tree), "sub/a.jpg")
    assert file.image.data == (tree / "sub" / "a.jpg").read_bytes()
    assert file.mtime_ns == (tree / "sub" / "a.jpg").stat().st_mtime_ns


def unusable(folder: Path) -> dict[str, str]:
    """Name -> the reason it cannot be read."""
    os.mkfifo(folder / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(folder)  # a socket's path may be no longer than 107 bytes
        listener.bind("socket.jpg")
        os.chdir(here)
    (folder / "device.jpg").symlink_to("/dev/zero")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "broken.jpg").symlink_to("nothing")
    (folder / "folder.jpg").mkdir()
    with (folder / "huge.jpg").open("wb") as file:
        file.truncate(600 * 2**20)
    return {
        "pipe.jpg": "a named pipe",
        "socket.jpg": "a socket",
        "device.jpg": "a device",
        "loop.jpg": "a link to itself",
        "broken.jpg": "a broken link",
        "folder.jpg": "a folder",
        "huge.jpg": "too large",
        "vanished.jpg": "no such file",
        "n\0ul.jpg": "not a usable file name",
    }


def test_what_is_no_readable_file_is_an_image_error_with_a_reason(tmp_path: Path) -> None:
    for name, reason in unusable(tmp_path).items():
        with pytest.raises(ImageError, match=reason):
            read(str(tmp_path), name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_we_may_not_read_is_an_image_error(tmp_path: Path) -> None:
    saved(tmp_path / "secret.jpg").chmod(0)
    with pytest.raises(ImageError, match="no permission"):
        read(str(tmp_path), "secret.jpg")


def test_any_name_can_be_printed() -> None:
    assert printable(os.fsdecode(b"caf\xe9.jpg")) == r"caf\xe9.jpg"
    assert printable("Wörter 火.jpg") == "Wörter 火.jpg"
