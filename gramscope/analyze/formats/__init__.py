"""One module for each kind of file: what it holds, and some rows of it, never all of them."""
