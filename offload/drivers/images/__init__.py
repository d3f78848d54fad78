"""Image files and their pixels, through Pillow."""
