"""Fixed samples: where they come from, what encodes them, and who watches them."""
