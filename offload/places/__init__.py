"""WHERE it runs. A place is one module and one line here; no place imports another."""

PLACES = {
    "local": "offload.places.inprocess:make",
    "container": "offload.places.container:make",
    "remote": "offload.places.remote:make",
}
"""The name `--where` takes -> "module:function", imported when first asked for.

The function makes the place of a `kit.Kit`.
"""
