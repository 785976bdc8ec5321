"""The protocol's rules as small functions, run against a board: what passes is proven on that board, not on ours."""
