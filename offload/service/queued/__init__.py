"""Images that workers take from a queue: what they are told and answer, and both ends of it."""
