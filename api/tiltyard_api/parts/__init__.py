"""What a gateway is made of, and what each of its requests may ask for."""

from tiltyard_api.parts.parts import Here, Pace, Parts, parts_of

__all__ = ["Here", "Pace", "Parts", "parts_of"]
