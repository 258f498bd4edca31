"""`gramscope show`: the last state of runs in the terminal, and how it goes on."""
