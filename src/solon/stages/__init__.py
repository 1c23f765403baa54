"""The paper, one module a step; the alphabet is the order of the paper."""
