"""Jobs that ended long ago leave the tables; the store keeps what was known of them."""
