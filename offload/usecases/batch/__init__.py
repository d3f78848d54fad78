"""A batch: many images of a store, cut into shards."""
