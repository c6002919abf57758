"""Care of a store: fsck, pack, gc. Identity never changes here; only where objects lie does."""
