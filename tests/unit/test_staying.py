"""Which images never leave."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from offload.domain.errors import UsageError
from offload.drivers import settings
from offload.drivers.images import image_files
from offload.drivers.images.image_files import ImageList
from offload.usecases.detect import privacy
from offload.usecases.detect.privacy import KeepLocalRules
from offload.usecases.detect.request import Request
from offload.usecases.profile.images import folder
from tests.contexts import context
from tests.drawing import saved, scene

ROOT = "/home/me/photos"


def stays(path: str, *patterns: str, root: str = ROOT) -> bool:
    return path in KeepLocalRules(ImageList(root), patterns)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("faces/**", "faces/a.jpg"),
        ("faces/**", "faces/2024/may/a.jpg"),
        ("faces/*", "faces/2024/a.jpg"),
        ("faces", "faces/a.jpg"),
        ("faces/", "faces/2024/a.jpg"),
        ("faces", "2024/faces/a.jpg"),
        ("2024/fac*", "2024/faces/a.jpg"),
        ("*/faces", "2024/faces/a.jpg"),
        ("*.jpg", "a.jpg"),
        ("*.jpg", "faces/a.jpg"),
        ("a.jpg", "faces/a.jpg"),
        ("**/a.jpg", "faces/a.jpg"),
        ("**/a.jpg", "a.jpg"),
        ("**/faces/**", "faces/a.jpg"),
        ("**/faces/**", "2024/faces/a.jpg"),
        ("faces/**", "2024/faces/a.jpg"),
        ("photos/faces/**", "faces/a.jpg"),
        ("photos", "a.jpg"),
        ("IMG_00?[0-4].jpg", "IMG_0013.jpg"),
        ("/home/me/photos/faces/**", "faces/a.jpg"),
        ("/home/me/photos", "faces/a.jpg"),
        ("/home/*/photos/faces", "faces/a.jpg"),
        ("/", "a.jpg"),
        ("*", "a.jpg"),
        ("a[1].jpg", "a[1].jpg"),
        ("[me] at home/**", "[me] at home/a.jpg"),
        ("**/a[1]*.jpg", "faces/a[1] (copy).jpg"),
        (".faces", "2024/.faces/a.jpg"),
        ("~a.jpg", "2024/~a.jpg"),
        ("a\nb.jpg", "a\nb.jpg"),
        ("caf\udce9/**", "caf\udce9/a.jpg"),
    ],
)
def test_a_pattern_names_an_image_by_its_path_its_name_or_a_folder_above_it(
    pattern: str, path: str
) -> None:
    assert stays(path, pattern)
    assert stays(path, "nothing", pattern)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("faces/**", "places/a.jpg"),
        ("faces/**", "faces.jpg"),
        ("faces", "faces2/a.jpg"),
        ("faces", "not faces/a.jpg"),
        ("*.jpg", "a.jpeg"),
        ("a.jpg", "ba.jpg"),
        ("**/x", "faces/a.jpg"),
        ("/home/me/photo", "a.jpg"),
        ("/home/me/photos/places", "faces/a.jpg"),
        ("IMG_00?[0-4].jpg", "IMG_0019.jpg"),
        ("A.jpg", "a.jpg"),
    ],
)
def test_others_may_leave(pattern: str, path: str) -> None:
    assert not stays(path, pattern)


def test_without_a_pattern_all_may_leave() -> None:
    assert not stays("a.jpg")


def test_a_pattern_is_also_meant_from_where_the_command_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = str(tmp_path / "photos")
    for pattern in ("photos/faces/**", "./photos/faces", "./photos/../photos/faces/*.jpg"):
        assert stays("faces/a.jpg", pattern, root=root)
        assert not stays("places/a.jpg", pattern, root=root)
    assert stays("a.jpg", ".", root=root)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert stays("faces/a.jpg", "~/photos/faces", root=root)


def test_what_a_pattern_names_does_not_depend_on_how_the_images_are_named() -> None:
    for root, path in (
        ("/home/me/photos/faces", "a.jpg"),
        ("/home/me/photos", "faces/a.jpg"),
        ("/", "home/me/photos/faces/a.jpg"),
    ):
        for pattern in ("faces", "faces/**", "photos/faces/*.jpg", "/home/me/photos/faces/"):
            assert stays(path, pattern, root=root)


def test_a_link_to_what_is_to_stay_stays(tmp_path: Path) -> None:
    kept, photos = tmp_path / "kept", tmp_path / "photos"
    (kept / "2024").mkdir(parents=True)
    (kept / "2024" / "a.jpg").touch()
    photos.mkdir()
    (photos / "b.jpg").symlink_to(kept / "2024" / "a.jpg")
    (photos / "last year").symlink_to(kept / "2024")
    (photos / "c.jpg").touch()
    (tmp_path / "p").symlink_to(photos)
    for root in (str(photos), str(tmp_path / "p")):
        assert stays("b.jpg", f"{kept}/**", root=root)
        assert stays("last year/a.jpg", f"{kept}/**", root=root)
        assert stays("c.jpg", f"{photos}/**", root=root)
        assert not stays("c.jpg", f"{kept}/**", root=root)


def test_links_that_lead_to_links_and_links_in_a_pattern_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As homes are on network disks, and /tmp on macOS."""
    real = tmp_path / "disk" / "me"
    for name in ("photos/faces", "photos/other", "album"):
        (real / name).mkdir(parents=True)
    (real / "photos" / "other" / "y.jpg").touch()
    (real / "photos" / "faces" / "y.jpg").symlink_to("../other/y.jpg")
    (real / "album" / "link").symlink_to(real / "photos" / "faces")
    home = tmp_path / "home"
    home.symlink_to(real)
    monkeypatch.setenv("HOME", str(home))
    for pattern in ("faces/**", "~/photos/faces", f"{home}/photos/faces/**", f"{home}/*/faces"):
        assert stays("link/y.jpg", pattern, root=str(real / "album"))
        assert stays("y.jpg", pattern, root=str(real / "photos" / "faces"))
        assert not stays("y.jpg", pattern, root=str(real / "photos" / "other"))
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert not stays("y.jpg", "faces", root=str(loop))
    assert not stays("loop", "faces", root=str(tmp_path))


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("photos/a.jpg", "photos/faces/b.jpg", "photos/faces/c.jpg"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"12345")
    return tmp_path / "photos"


def test_what_would_leave_is_what_no_option_and_no_setting_keeps(photos: Path) -> None:
    request = Request((str(photos),), recursive=True, where="split", keep_local=("b.jpg",))
    configured = settings.load({"OFFLOAD_KEEP_LOCAL": "c.*, d.jpg"})
    assert privacy.patterns(request, configured) == ("b.jpg", "c.*", "d.jpg")
    found, paths, total_bytes = privacy.leaving(request, context(configured))
    assert (len(found.paths), paths, total_bytes) == (3, ["a.jpg"], 5)
    here = replace(request, where="local", keep_local=())
    assert privacy.leaving(here, context(configured))[1:] == ([], 0)


def test_a_remote_run_that_would_send_what_is_to_stay_is_refused(photos: Path) -> None:
    found = image_files.find([str(photos)], recursive=True)
    everywhere = context(settings.load({}), warn=lambda _text: None)
    request = Request((str(photos),), where="remote", url="http://there", keep_local=("faces",))
    with pytest.raises(UsageError, match="2 of 3 images must stay here") as caught:
        privacy.check(request, everywhere, found)
    assert "--where split" in caught.value.hint
    privacy.check(replace(request, keep_local=("nobody",)), everywhere, found)
    privacy.check(replace(request, where="split"), everywhere, found)


def test_a_profile_of_another_machine_sends_nothing_that_is_to_stay(photos: Path) -> None:
    for name in ("photos/a.jpg", "photos/faces/b.jpg", "photos/faces/c.jpg"):
        saved(photos.parent / name, scene(32, 24))
    request = Request((str(photos),), recursive=True, where="remote", url="http://there")
    everything = folder(request, random.Random(1), 3)
    assert len(everything.paths) == len(everything.drawn) == 3
    some = folder(request, random.Random(1), 3, ["faces"])
    assert [*some.paths] == [each.path for each in some.drawn] == ["a.jpg"]
    with pytest.raises(UsageError, match="All of the images must stay here"):
        folder(request, random.Random(1), 3, ["*.jpg"])
