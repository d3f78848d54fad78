"""Images in shards, worked on wherever an engine has processes."""
