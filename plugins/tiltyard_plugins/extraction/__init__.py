"""Model extraction: copying a model by asking it. Budgets are numbers of queries, and are kept to exactly."""
