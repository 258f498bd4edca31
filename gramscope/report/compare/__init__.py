"""`gramscope compare`: two runs beside each other, and how that is shown in the terminal."""
