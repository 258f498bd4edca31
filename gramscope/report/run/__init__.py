"""One page of one run or of several: pictures by step, numbers over time, states, what is amiss."""
