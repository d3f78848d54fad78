"""A function that is billed by the call: what it is told and answers, and how it answers."""
