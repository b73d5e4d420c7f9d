"""Pictures of results, as matplotlib figures that belong to nobody else: no state of pyplot is touched, and none is shown."""
