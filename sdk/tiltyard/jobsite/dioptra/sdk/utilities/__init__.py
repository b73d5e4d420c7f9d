"""What Dioptra's users import from its SDK inside jobs."""
