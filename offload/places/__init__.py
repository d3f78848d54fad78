"""WHERE it runs. A place is one module and one line here; no place imports another."""

PLACES = {
    "local": "offload.places.inprocess:InProcess",
}
"""The name `--where` takes -> "module:Class", imported when first asked for."""
