"""The picture of a gram matrix, the process that draws it, and that process' client."""
