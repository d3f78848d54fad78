"""What is sent of an image: its own bytes, unless a smaller copy or no metadata is asked for."""

from dataclasses import dataclass

from offload.drivers.images import pictures, stripping


@dataclass(frozen=True, slots=True)
class Upload:
    """`max_side_px` is the longest side of what is sent, `quality` the JPEG quality of a copy that
    is made for it, 1..100. Larger pictures than `max_pixels` are not opened.
    """

    max_side_px: int | None = None
    quality: int = 90
    strip_metadata: bool = False
    max_pixels: int = pictures.MAX_PIXELS

    def prepare(self, data: bytes) -> tuple[bytes, tuple[int, int] | None]:
        """What is sent, and the picture's upright width and height if a copy has another size.

        Raises:
            ImageError: the image cannot be used.
        """
        if self.max_side_px is not None:
            copy = pictures.smaller(data, self.max_side_px, self.quality, self.max_pixels)
            if copy is not None:
                return copy
        if self.strip_metadata:
            return stripping.strip(data, self.max_pixels), None
        return data, None
