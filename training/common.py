"""What training and export must agree on."""

CLASSES = {
    "person": 1,
    "bicycle": 2,
    "car": 3,
    "motorcycle": 4,
    "bus": 6,
    "truck": 8,
    "cat": 17,
    "dog": 18,
}
"""Class names in the order of the network's outputs, with their COCO ids."""

STRIDES = (8, 16, 32)
"""Pixels between neighbouring grid points of the three output maps."""
