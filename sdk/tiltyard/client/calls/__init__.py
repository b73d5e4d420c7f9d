"""The calls of the clients, a part for each noun: what `AsyncClient` awaits, and under it the same as `Client` drives it."""
