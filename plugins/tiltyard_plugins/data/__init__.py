"""Data sets: packaged ones, images and tables from files; split, and scaled to 0..1."""
