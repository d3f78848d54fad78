"""The models that have a short name. A model is one row more."""

from dataclasses import dataclass

from offload.domain.vision import InputSpec

BUILTIN = "builtin"
PREFERRED = "efficientdet-lite0"


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A row of the table.

    `handle` is the path on the hub, or an address. `classes` says what the ids mean: "coco", COCO's
    80 by their place ("coco-80"), "own" labels that come with the file, or "named" by the model
    itself. `input` is the shape pictures are fitted to
    where the model leaves it open, and for all models how they are fitted. `accuracy` is as
    published, `bytes` the download's size and `sha256` that of its file, where they are known.
    """

    name: str
    handle: str
    runtime: str
    classes: str
    input: InputSpec | None
    accuracy: str
    licence: str = "Apache-2.0"
    bytes: int | None = None
    sha256: str = ""
    min_score: float = 0.25
    note: str = ""


def _square(side_px: int, pad: int | None = None) -> InputSpec:
    return InputSpec(side_px, side_px, pad)


# COCO accuracies: the TensorFlow 2 detection model zoo's table and, for Lite0, TensorFlow's
# EfficientDet-Lite page: mean AP over IoU 0.50..0.95 on val2017, in percent. Lite0's SHA-256 is the
# one that public projects pin for this address and its mirror. EfficientDets were
# trained with the aspect ratio kept, so their pictures are padded: Lite0 with its mean colour,
# D0 and D1 with the zoo's black.
_LITE = (
    NamedModel(
        BUILTIN, "", "tflite", "own", None, "person AP50 27.0", bytes=1_813_440, min_score=0.5,
        sha256="3cb6498dff2455607f0a747321609eaa3465f239ff799b93187e8956d3761674",
        note="for trying out; trained on public photos, most of which state no licence",
    ),
    NamedModel(
        PREFERRED, "tensorflow/lite-model/efficientdet/lite0/detection/metadata/1",
        "tflite", "own", _square(320, 127), "COCO mAP 25.7", bytes=4_563_519,
        sha256="2e04c53bfeac0ac2a30c057c7e2a777594ce39baaac35a92f74fb1e8c4fc4e0b",
    ),
)  # fmt: skip
_COCO = (
    ("ssd-mobilenet-v2", "ssd_mobilenet_v2/2", _square(320), 20.2),
    ("ssd-mobilenet-v2-fpnlite-320", "ssd_mobilenet_v2/fpnlite_320x320/1", _square(320), 22.2),
    ("ssd-mobilenet-v2-fpnlite-640", "ssd_mobilenet_v2/fpnlite_640x640/1", _square(640), 28.2),
    ("efficientdet-d0", "efficientdet/d0/1", _square(512, 0), 33.6),
    ("efficientdet-d1", "efficientdet/d1/1", _square(640, 0), 38.4),
    ("faster-rcnn-resnet50-v1-640", "faster_rcnn/resnet50_v1_640x640/1", _square(640), 29.3),
    ("centernet-resnet50-v1-512", "centernet/resnet50v1_fpn_512x512/1", _square(512), 31.2),
)
_OPEN_IMAGES = (
    ("openimages-ssd-mobilenet-v2", "openimages_v4/ssd/mobilenet_v2/1", _square(300)),
    ("openimages-faster-rcnn", "faster_rcnn/openimages_v4/inception_resnet_v2/1", _square(640)),
)

# Accuracies: YOLOX's README, mean AP on val2017; addresses are those of its release 0.1.1rc0.
_YOLOX_FROM = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
_YOLOX = (
    (
        "yolox-nano", 25.8, 3_660_092,
        "695e750a5d5754bb5a8d5325643b59282191a7e7a564e435a415fd3c578eab14",
    ),
    ("yolox-tiny", 32.8, None, ""),
    ("yolox-s", 40.5, None, ""),
    ("yolox-m", 46.9, None, ""),
)  # fmt: skip

_ROWS = (
    *_LITE,
    *(
        NamedModel(
            name,
            f"{_YOLOX_FROM}/{name.replace('-', '_')}.onnx",
            "onnx",
            "coco-80",
            None,
            f"COCO mAP {percent}",
            bytes=size_bytes,
            sha256=sha256,
        )
        for name, percent, size_bytes, sha256 in _YOLOX
    ),
    *(
        NamedModel(name, f"tensorflow/{path}", "savedmodel", "coco", shape, f"COCO mAP {percent}")
        for name, path, shape, percent in _COCO
    ),
    *(
        NamedModel(name, f"google/{path}", "savedmodel", "named", shape, "not published")
        for name, path, shape in _OPEN_IMAGES
    ),
)
NAMED = {row.name: row for row in _ROWS}
