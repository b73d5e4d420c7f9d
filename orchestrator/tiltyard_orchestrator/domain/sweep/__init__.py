"""Sweeps: from axes to cells, and what a cell is known by. Pure: the seed and what is declared come in as arguments."""
