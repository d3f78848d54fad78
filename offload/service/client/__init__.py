"""The client's end of the wire."""
