"""What a job ran in: the image, Python, every installed package, the platform and the hardware.

It holds nothing that is another at each start, so that many workers and many jobs share one. It is known by the SHA-256 of
its canonical JSON.
"""

from pydantic import Field

from tiltyard.wire.model import Text, WireModel


class Gpu(WireModel):
    """A graphics processor."""

    name: Text
    memory: int | None = None
    """Bytes."""
    driver: Text = ""


class Hardware(WireModel):
    """What it ran on."""

    cpu: Text = ""
    """The processor's own name."""
    cpus: int | None = None
    """Logical ones that the worker may use."""
    memory: int | None = None
    """Bytes of the host."""
    gpus: list[Gpu] = Field(default_factory=list, max_length=128)


class Platform(WireModel):
    """The operating system."""

    system: Text = ""
    """`Linux`."""
    kernel: Text = ""
    machine: Text = ""
    """`x86_64`."""
    libc: Text = ""


class Environment(WireModel):
    """What a worker's jobs run in."""

    image: Text = ""
    image_digest: Text = ""
    """Empty where it does not run in an image, or was not told its digest."""
    python: Text = ""
    implementation: Text = ""
    platform: Platform = Platform()
    hardware: Hardware = Hardware()
    packages: dict[Text, Text] = Field(default_factory=dict, max_length=5_000)
    """The version of every installed distribution: the environment's lock."""
