"""`gramscope analyze`: what a callback says of a run, said of features that lie in a file."""
