"""The server's end of the wire: the only importer of fastapi, uvicorn and what is theirs."""
