"""The models that have a short name. A model is one row more."""

from dataclasses import dataclass

from offload.domain.vision import InputSpec

BUILTIN = "builtin"
PREFERRED = "efficientdet-lite0"


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A row of the table.

    `handle` is the path on the hub. `classes` says what the ids mean: "coco", "own" labels that
    come with the file, or "named" by the model itself. `input` is the shape pictures are fitted to
    where the model leaves it open, and for all models how they are fitted. `accuracy` is as
    published, `bytes` the download's size where it is known.
    """

    name: str
    handle: str
    runtime: str
    classes: str
    input: InputSpec | None
    accuracy: str
    licence: str
    bytes: int | None = None
    min_score: float = 0.25
    note: str = ""


_APACHE = "Apache-2.0"


def _square(side_px: int, pad: int | None = None) -> InputSpec:
    return InputSpec(side_px, side_px, pad)


# COCO accuracies: the TensorFlow 2 detection model zoo's table and, for Lite0, TensorFlow's
# EfficientDet-Lite page: mean AP over IoU 0.50..0.95 on val2017, in percent. EfficientDets were
# trained with the aspect ratio kept, so their pictures are padded: Lite0 with its mean colour,
# D0 and D1 with the zoo's black.
NAMED = {
    model.name: model
    for model in (
        NamedModel(
            BUILTIN, "", "tflite", "own", None, "person AP50 27.0", _APACHE, 1_813_440, 0.5,
            "for trying out; trained on public photos, most of which state no licence",
        ),
        NamedModel(
            PREFERRED, "tensorflow/lite-model/efficientdet/lite0/detection/metadata/1",
            "tflite", "own", _square(320, 127), "COCO mAP 25.7", _APACHE, 4_400_000,
        ),
        NamedModel(
            "ssd-mobilenet-v2", "tensorflow/ssd_mobilenet_v2/2",
            "savedmodel", "coco", _square(320), "COCO mAP 20.2", _APACHE,
        ),
        NamedModel(
            "ssd-mobilenet-v2-fpnlite-320", "tensorflow/ssd_mobilenet_v2/fpnlite_320x320/1",
            "savedmodel", "coco", _square(320), "COCO mAP 22.2", _APACHE,
        ),
        NamedModel(
            "ssd-mobilenet-v2-fpnlite-640", "tensorflow/ssd_mobilenet_v2/fpnlite_640x640/1",
            "savedmodel", "coco", _square(640), "COCO mAP 28.2", _APACHE,
        ),
        NamedModel(
            "efficientdet-d0", "tensorflow/efficientdet/d0/1",
            "savedmodel", "coco", _square(512, 0), "COCO mAP 33.6", _APACHE,
        ),
        NamedModel(
            "efficientdet-d1", "tensorflow/efficientdet/d1/1",
            "savedmodel", "coco", _square(640, 0), "COCO mAP 38.4", _APACHE,
        ),
        NamedModel(
            "faster-rcnn-resnet50-v1-640", "tensorflow/faster_rcnn/resnet50_v1_640x640/1",
            "savedmodel", "coco", _square(640), "COCO mAP 29.3", _APACHE,
        ),
        NamedModel(
            "centernet-resnet50-v1-512", "tensorflow/centernet/resnet50v1_fpn_512x512/1",
            "savedmodel", "coco", _square(512), "COCO mAP 31.2", _APACHE,
        ),
        NamedModel(
            "openimages-ssd-mobilenet-v2", "google/openimages_v4/ssd/mobilenet_v2/1",
            "savedmodel", "named", _square(300), "not published", _APACHE,
        ),
        NamedModel(
            "openimages-faster-rcnn",
            "google/faster_rcnn/openimages_v4/inception_resnet_v2/1",
            "savedmodel", "named", _square(640), "not published", _APACHE,
        ),
    )
}  # fmt: skip
